// What programs written for Node or a browser reach for: `process`, timers, and
// messages for what does not exist here.
(function (native, internal) {
  "use strict";

  let script = "";
  let given = [];
  let argv = null;

  class ExitError extends Error {}

  const stream = (fd) => ({
    write(text) {
      native.write(fd, typeof text === "string" ? text : new TextDecoder().decode(text));
      return true;
    },
    isTTY: false,
    columns: 80,
  });

  const process = {
    get argv() {
      return (argv ??= ["js", script, ...given]);
    },
    set argv(values) {
      argv = values;
    },
    env: {},
    platform: "wasi",
    arch: "wasm32",
    pid: 1,
    version: "v0.0.0",
    versions: { quickjs: native.version },
    stdout: stream(1),
    stderr: stream(2),
    cwd: () => "/workspace",
    uptime: () => native.now() / 1000,
    nextTick(callback, ...values) {
      queueMicrotask(() => callback(...values));
    },
    hrtime: Object.assign(
      (since) => {
        const now = native.now() * 1e6;
        const seconds = Math.floor(now / 1e9);
        const rest = Math.round(now % 1e9);
        if (!since) return [seconds, rest];
        const difference = (seconds - since[0]) * 1e9 + rest - since[1];
        return [Math.floor(difference / 1e9), difference % 1e9];
      },
      { bigint: () => BigInt(Math.round(native.now() * 1e6)) },
    ),
    memoryUsage: () => ({ rss: 0, heapTotal: 0, heapUsed: 0, external: 0, arrayBuffers: 0 }),
    exit(status = 0) {
      internal.hooks.exit(Number(status) | 0);
      native.exit(new ExitError("exit"));
    },
    on() {
      return process;
    },
    once() {
      return process;
    },
    off() {
      return process;
    },
    emitWarning(text) {
      console.warn(`Warning: ${text}`);
    },
  };

  internal.setArguments = (name, values) => {
    script = name;
    given = values;
    argv = null;
  };

  const servers = () => {
    const names = native.servers().map((server) => `"servers/${server.identifier}"`);
    return names.length ? names.slice(0, 10).join(", ") : "none is configured";
  };

  const NETWORK = new Set(["http", "https", "http2", "net", "tls", "dgram", "dns", "dns/promises", "undici", "axios", "node-fetch", "got", "ws", "request", "superagent"]);
  const PROCESSES = new Set(["child_process", "cluster", "worker_threads", "execa", "zx", "shelljs"]);
  const NODE = new Set(["assert", "async_hooks", "buffer", "console", "constants", "crypto", "diagnostics_channel", "domain", "events", "inspector", "module", "os", "perf_hooks", "process", "punycode", "querystring", "readline", "readline/promises", "repl", "stream", "stream/promises", "string_decoder", "sys", "timers", "timers/promises", "trace_events", "tty", "url", "util", "v8", "vm", "wasi", "zlib", "std", "os"]);

  // Modules of Node that exist here, by name.
  const builtins = {
    process,
    timers: { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate },
    "timers/promises": { setTimeout: (delay, value) => new Promise((resolve) => setTimeout(resolve, delay, value)) },
    perf_hooks: { performance },
  };
  for (const module of Object.values(builtins)) module.default ??= module;
  internal.isBuiltin = (specifier) => Object.hasOwn(builtins, specifier.replace(/^node:/, ""));
  internal.builtin = (specifier) => (internal.isBuiltin(specifier) ? builtins[specifier.replace(/^node:/, "")] : null);
  internal.builtins = builtins;

  /** Why a module that is no server and no file cannot be imported. */
  internal.missingModule = (specifier) => {
    const bare = specifier.replace(/^node:|^qjs:|^npm:|^jsr:/, "");
    if (/^(https?|data|blob|file|ftp):/i.test(specifier)) {
      return `cannot import \`${specifier}\`: code is never loaded from an address; import from "servers/NAME" or from a file of the workspace ("./lib.js")`;
    }
    if (NETWORK.has(bare)) {
      return `cannot import \`${specifier}\`: there is no network in this sandbox; call a tool instead, the servers are: ${servers()}`;
    }
    if (PROCESSES.has(bare)) {
      return `cannot import \`${specifier}\`: no process can be started in this sandbox; call a tool instead, the servers are: ${servers()}`;
    }
    if (NODE.has(bare)) {
      return `cannot import \`${specifier}\`: this sandbox is not Node; it has ${Object.keys(builtins).filter((name) => !name.includes("/")).sort().join(", ")}, and the web APIs as globals (fetch excepted)`;
    }
    return `cannot import \`${specifier}\`: packages are not installed here; place one in "/workspace/node_modules", import tools from "servers/NAME" (${servers()}) or a file of the workspace ("./lib.js")`;
  };

  const unavailable = (name, advice) => {
    internal.global(name, { [name]() { throw new Error(`\`${name}\` does not exist in this sandbox: ${advice}`); } }[name]);
  };

  internal.global("process", process);
  internal.global("fetch", function fetch() {
    return Promise.reject(
      new TypeError(`\`fetch\` has no network in this sandbox: call a tool instead, for example \`import { tool } from "servers/NAME"\`; the servers are: ${servers()}`),
    );
  });
  unavailable("alert", "write with console.log");
  unavailable("prompt", "nobody is there to answer; take input from process.argv or return a question as the result");
  unavailable("confirm", "nobody is there to answer; return a question as the result");
})
