// The demo server's tools, in every way to call one.
import demo, { getOrder, get_order, listOrders } from "servers/demo";
import * as all from "./servers/demo/index.js";
import single from "mcp_tools/demo/getOrder";

const { getOrder: dynamic } = await import("servers/demo");
const { get_order: required } = require("servers/demo");
const answers = await Promise.all([
  getOrder({ id: 7 }),
  getOrder(7),
  get_order(7),
  all.getOrder({ id: 7 }),
  demo.getOrder({ id: 7 }),
  single({ id: 7 }),
  dynamic({ id: 7 }),
  required({ id: 7 }),
  tools.demo.getOrder({ id: 7 }),
  tools.demo.get_order({ id: 7 }),
  callTool("demo.get_order", { id: 7 }),
  callTool("demo", "get_order", { id: 7 }),
  call_tool("demo__get_order", { id: 7 }),
  callMCPTool("demo__get_order", { id: 7 }),
  callMCPTool("get_order", { id: 7 }),
]);
console.log(answers.length, answers.every((order) => JSON.stringify(order) === JSON.stringify(answers[0])), answers[0].id);
console.log((await Promise.all(Array.from({ length: 100 }, (_, id) => getOrder(id + 1)))).length);

for (const call of [
  () => getOrder({ idd: 7 }),
  () => callTool("demo.get_ordr"),
  () => tools.demo.getOrdr(),
  () => getOrder(1, 2),
  () => tools.dmeo.getOrder(1),
  () => all.getOrdr(),
  () => getOrder({ id: 7n }),
]) {
  try {
    await call();
    console.log("no error");
  } catch (error) {
    console.log(error.name, error.kind, error.server, error.tool, error instanceof ToolError, error.parameters);
  }
}
const signal = AbortSignal.abort(new Error("not now"));
console.log(await getOrder({ id: 7 }, { signal }).catch((error) => error.message));
console.log(typeof all.then, typeof demo.then, await demo === demo, Object.keys(await import("servers/demo")));
console.log(demo);

const orders = listOrders({ limit: 2 });
for (const order of orders) console.log(order);
