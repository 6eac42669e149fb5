import { getOrder } from "servers/demo";
const order: = await getOrder(1);
