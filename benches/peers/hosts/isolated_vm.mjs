// Isolates of `isolated-vm`, each with one context.

import { load, main, tools } from "./host.mjs";

const { default: ivm } = await load("isolated-vm");

// How a program calls what stays outside.
const PRELUDE = `
const [log, noop, nap, table] = [$0, $1, $2, $3];
const later = { arguments: { copy: true }, result: { promise: true, copy: true } };
globalThis.console = { log: (...words) => log.applySync(undefined, [words.join(" ")]) };
globalThis.noop = (value) => noop.apply(undefined, [value], later);
globalThis.nap = (value) => nap.apply(undefined, [value], later);
globalThis.table = (value) => table.apply(undefined, [value], later);
`;

async function open() {
  const isolate = new ivm.Isolate({ memoryLimit: 128 });
  const context = await isolate.createContext();
  const printed = [];
  const outside = [(text) => void printed.push(text), tools.noop, tools.nap, tools.table];
  await context.evalClosure(PRELUDE, outside.map((each) => new ivm.Reference(each)));
  return { isolate, context, printed };
}

async function run({ context, printed }, code) {
  printed.length = 0;
  if (code.includes("await")) {
    await context.eval(`(async () => {${code}})()`, { promise: true });
  } else {
    await context.eval(code);
  }
  return printed.join("\n");
}

function close({ isolate }) {
  isolate.dispose();
}

async function fresh(code) {
  const session = await open();
  try {
    return await run(session, code);
  } finally {
    close(session);
  }
}

await main({ fresh, open, run, close });
