// gives: 10000
import { listOrders } from "servers/demo";
const { orders } = await listOrders({});
return orders.length;
