// A call that nobody waits for.
import { getOrder } from "servers/demo";
getOrder(5);
setInterval(() => {}, 1000);
console.log(`${getOrder(6)}`);
