// Half surrogate pairs reach neither tools nor the result, which are JSON.
console.log("\ud800".length);
const failure = await callTool("demo.list_orders", { customer: "\ud800", limit: 1 }).catch((error) => error.kind);
({ tool: failure.total ?? failure, text: ["\ud83d\ude00", "\udc00\ud800", "\\ud800"] });
