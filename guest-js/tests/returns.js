// A `return` at the top level ends the program.
import { getOrder } from "servers/demo";
const order = await getOrder(7);
class Shape {}
if (order.id === 7) {
  try {
    return { id: order.id, shape: new Shape() };
  } finally {
    console.log("finally");
  }
}
throw new Error("not reached");
