// Contexts of `quickjs-emscripten`. All contexts share one instance of its
// WebAssembly module, which is how its documentation begins.

import { load, main, tools } from "./host.mjs";

const { getQuickJS } = await load("quickjs-emscripten");
const quickjs = await getQuickJS();

function open() {
  const runtime = quickjs.newRuntime();
  const context = runtime.newContext();
  const printed = [];
  const give = (name, value, target = context.global) => {
    context.setProp(target, name, value);
    value.dispose();
  };
  const log = (...words) => {
    printed.push(words.map((word) => context.dump(word)).join(" "));
  };
  const console = context.newObject();
  give("log", context.newFunction("log", log), console);
  give("console", console);
  const noop = () => context.newNumber(tools.noop());
  give("noop", context.newFunction("noop", noop));
  const table = () => context.newString(tools.table());
  give("table", context.newFunction("table", table));
  const nap = () => {
    const promise = context.newPromise();
    tools.nap().then((value) => promise.resolve(context.newNumber(value)));
    promise.settled.then(() => runtime.executePendingJobs());
    return promise.handle;
  };
  give("nap", context.newFunction("nap", nap));
  return { runtime, context, printed };
}

async function run(session, code) {
  const { runtime, context, printed } = session;
  printed.length = 0;
  if (code.includes("await")) {
    const promise = context.unwrapResult(context.evalCode(`(async () => {${code}})()`));
    const settled = context.resolvePromise(promise);
    promise.dispose();
    runtime.executePendingJobs();
    context.unwrapResult(await settled).dispose();
  } else {
    context.unwrapResult(context.evalCode(code)).dispose();
  }
  return printed.join("\n");
}

function close({ runtime, context }) {
  context.dispose();
  runtime.dispose();
}

async function fresh(code) {
  const session = open();
  try {
    return await run(session, code);
  } finally {
    close(session);
  }
}

await main({ fresh, open, run, close });
