// Instances of `pyodide`, in one process of Node.

import { load, main, tools } from "./host.mjs";

const { loadPyodide } = await load("pyodide/pyodide.mjs");

async function open() {
  const printed = [];
  const pyodide = await loadPyodide({ stdout: (line) => printed.push(line) });
  for (const name of ["noop", "nap", "table"]) pyodide.globals.set(name, tools[name]);
  return { pyodide, printed };
}

async function run({ pyodide, printed }, code) {
  printed.length = 0;
  await pyodide.runPythonAsync(code);
  return printed.join("\n");
}

function close() {}

const fresh = async (code) => run(await open(), code);

await main({ fresh, open, run, close });
