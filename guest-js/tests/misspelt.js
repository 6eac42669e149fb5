import { getOrdr } from "servers/demo";
