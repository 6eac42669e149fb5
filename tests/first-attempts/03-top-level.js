// gives: true
import { listOrders } from "servers/demo";

const { orders } = await listOrders({});
const germany = orders.filter((order) => order.country === "DE");
germany.length > 0
