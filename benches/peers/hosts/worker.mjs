// A session in a process of Node, as `worker.py` is one of Python. It runs
// programs with all rights of its process.

import { createInterface } from "node:readline";
import vm from "node:vm";
import { say } from "./host.mjs";

const waiting = new Map();
let next = 0;

function call(tool, values) {
  const key = next++;
  say({ call: key, tool, arguments: values });
  return new Promise((answer) => waiting.set(key, answer));
}

let printed = [];
const names = { console: { log: (...words) => void printed.push(words.join(" ")) } };
for (const tool of ["noop", "nap", "table"]) names[tool] = (values) => call(tool, values);
const context = vm.createContext(names);

async function run(code) {
  printed = [];
  let problem = null;
  try {
    const whole = code.includes("await") ? `(async () => {${code}})()` : code;
    await vm.runInContext(whole, context);
  } catch (error) {
    problem = String(error);
  }
  say({ printed: printed.join("\n"), error: problem });
}

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if ("code" in message) {
    run(message.code);
  } else {
    waiting.get(message.answer)(message.value);
    waiting.delete(message.answer);
  }
}
process.exit(0);
