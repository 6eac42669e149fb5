import { getOrder } from "/servers/demo/getOrder.ts";

const found = await searchTools("one order", { detail: "detailed", limit: 1 });
console.log(found[0].name, found[0].parameters[0].name);
console.log((await getOrder({ id: 1 })).id);
console.log(searchTools("zyxwv").length);
searchTools("one order", { limit: 1 });
