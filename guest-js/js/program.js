// The life of a program: its value, what it waits for, and how it ended.
//
// It ends when its top level has settled and nothing it started is left: no
// call in flight, no timer. Intervals alone do not keep it, because nobody is
// there to stop them. What the host drives (running jobs, waiting) is in Rust.
(function (native, internal) {
  "use strict";

  /** What `turn` answers when something ran. */
  const RAN = -1;

  /** A limit for texts about errors; a program can make them as long as it likes. */
  const MAX_TEXT = 16_384;
  const MAX_WARNINGS = 20;

  const { timers, calls } = internal;
  let state = null;

  function fresh(name) {
    return { name, settled: false, value: undefined, failure: null, exit: null, variables: null, warnings: [], unhandled: null };
  }

  internal.warn = (text) => {
    if (state && state.warnings.length < MAX_WARNINGS && !state.warnings.includes(text)) state.warnings.push(text);
  };

  // `own` is the state of the program that something belongs to: what is left
  // of one that exited may still run when the next one does.
  const failed = (own, reason) => {
    own.settled = true;
    own.failure ??= { reason };
  };
  const succeeded = (own, value) => {
    own.settled = true;
    own.value = value;
  };

  // An error that no caller of the program could see.
  const fail = (reason) => {
    if (state !== null) failed(state, reason);
  };
  internal.uncaught = fail;

  /** Takes the value of a top level; `tail` says what it means. */
  function settle(own, value, tail) {
    if (typeof value === "function" && (tail === "call" || tail === "wrapped")) {
      try {
        value = value(tail === "call" ? globalThis.tools : (variables) => (own.variables = variables));
      } catch (error) {
        return failed(own, error);
      }
    }
    if (value !== null && typeof value === "object" && native.promiseState(value)) {
      Promise.resolve(value).then((value) => succeeded(own, value), (reason) => failed(own, reason));
    } else {
      succeeded(own, value);
    }
  }

  function follow(own, promise, tail) {
    promise.then((result) => settle(own, tail === "nothing" ? undefined : result.value, tail), (reason) => failed(own, reason));
  }

  // ---- names before their declaration

  const { defineProperty, hasOwn } = Object;
  let guarded = [];

  /**
   * The top level has `var` where the program says `let`, `const` or `class`,
   * so that a later program of the session can say it again. Until such a name
   * is given its value, reading it is the error that it is everywhere else. A
   * name that an earlier program declared keeps its value instead.
   */
  internal.guard = (names) => {
    for (const name of names) {
      if (hasOwn(globalThis, name)) continue;
      guarded.push(name);
      defineProperty(globalThis, name, {
        get() {
          throw new ReferenceError(`Cannot access '${name}' before initialization`);
        },
        set: (value) => internal.global(name, value),
        configurable: true,
      });
    }
  };

  /** Nothing declared these: the next program does not know them. */
  function unguard() {
    for (const name of guarded) if (Object.getOwnPropertyDescriptor(globalThis, name)?.get) delete globalThis[name];
    guarded = [];
  }

  // ---- imports

  const at = (error, { line, column }) => internal.setFrames(error, `    at ${state.name}:${line}:${column}`);

  function bind(one, namespace, lookup) {
    if (one.namespace !== undefined && one.namespace !== null) internal.global(one.namespace, namespace);
    for (const { exported, local, optional } of one.names) {
      let value;
      try {
        value = lookup(exported);
      } catch (error) {
        if (optional) continue;
        throw error;
      }
      internal.global(local, value);
    }
  }

  /** Binds an import that needs no wait. Says whether it was one. */
  function linkServer(one) {
    try {
      const builtin = internal.builtin(one.specifier);
      if (builtin) {
        bind(one, builtin, (name) => exported(builtin, name, one.specifier, builtin));
        return true;
      }
      const all = internal.allServers(one.specifier);
      if (all) {
        bind(one, all, (name) => exported(all, name, one.specifier, all));
        return true;
      }
      const named = native.serverOf(one.specifier, "");
      if (!named) return false;
      const found = internal.serverModule(named[0], named[1] ?? null);
      bind(one, found.module, (name) => internal.serverExport(found, name));
    } catch (error) {
      if (!one.optional) throw at(error, one);
    }
    return true;
  }

  async function linkFiles(imports) {
    for (const one of imports) {
      let module;
      try {
        module = await native.importFile(one.specifier, one.kind ?? null);
      } catch (error) {
        if (one.optional) continue;
        throw error instanceof Error && internal.frames(error) === "" ? at(error, one) : error;
      }
      try {
        bind(one, module, (name) => exported(module, name, one.specifier));
      } catch (error) {
        throw at(error, one);
      }
    }
  }

  /** `import(...)` in programs; see `IMPORT_FUNCTION` in src/erase.rs. */
  internal.global("$mport", async function $mport(specifier, options) {
    const sites = internal.captureSites($mport);
    try {
      specifier = String(specifier);
      const ready = internal.builtin(specifier) ?? internal.allServers(specifier);
      if (ready) return ready;
      const named = native.serverOf(specifier, "");
      if (named) {
        const found = internal.serverModule(named[0], named[1] ?? null);
        return found.default === found.module ? found.module : internal.withDefault(found);
      }
      return await native.importFile(specifier, options?.with?.type ?? null);
    } catch (error) {
      throw error instanceof Error && internal.frames(error) === "" ? internal.setFrames(error, internal.rawFrames(sites)) : error;
    }
  });

  /** An export of a module that is no server; `whole` is its default one. */
  function exported(module, name, specifier, whole) {
    if (name in module) return module[name];
    if (name === "default" && whole) return whole;
    const near = native.nearest(name, Object.keys(module));
    throw new SyntaxError(`\`${specifier}\` has no export \`${name}\`; did you mean ${near.map((each) => `\`${each}\``).join(", ")}?`);
  }

  internal.syntaxError = (message, file, line, column) => {
    return internal.setFrames(new SyntaxError(message), `    at ${file}:${line}:${column}`);
  };

  // ---- the value as JSON, or as text

  const MAX_DEPTH = 500;

  /** A BigInt was seen, which JSON has digits for and `JSON.stringify` none. */
  let exact = false;

  /** Whether JSON says all there is to say about a value. */
  function expressible(value, depth, path) {
    switch (typeof value) {
      case "bigint":
        return (exact = true);
      case "string":
      case "boolean":
        return true;
      case "number":
        return Number.isFinite(value);
      case "object":
        break;
      default:
        return false;
    }
    if (value === null) return true;
    if (depth > MAX_DEPTH || path.has(value) || native.isProxy(value)) return false;
    path.add(value);
    try {
      if (Array.isArray(value)) {
        for (let index = 0; index < value.length; index++) {
          if (!expressible(value[index], depth + 1, path)) return false;
        }
        return true;
      }
      if (typeof value.toJSON === "function") return true;
      const parent = Object.getPrototypeOf(value);
      if (parent !== null && parent !== Object.prototype) {
        if (Object.prototype.toString.call(value) !== "[object Object]" || value instanceof Promise || value instanceof WeakRef) return false;
      }
      for (const key of Object.keys(value)) {
        const item = value[key];
        if (item !== undefined && !expressible(item, depth + 1, path)) return false;
      }
      return true;
    } finally {
      path.delete(value);
    }
  }

  /** A value as a text: `n` for none, `j` and JSON, or `t` and plain text. */
  function result(value) {
    if (value === undefined || timers.isHandle(value)) return "n";
    exact = false;
    try {
      if (typeof value !== "object" ? expressible(value, 0) : expressible(value, 0, new Set())) {
        const text = exact ? internal.exactText(value) : JSON.stringify(value);
        if (typeof text === "string") return "j" + internal.wellFormed(text);
      }
    } catch {
      // A getter or `toJSON` of the program threw: show the value instead.
    }
    return "t" + (typeof value === "string" ? value : internal.inspect(value));
  }

  // ---- errors

  const clip = (text) => (text.length > MAX_TEXT ? text.slice(0, MAX_TEXT) + "..." : text);

  function trace(error, depth) {
    if (!(error instanceof Error)) return `Uncaught ${internal.inspect(error)}`;
    let text = internal.headline(error) + (depth === 0 ? hint(error) : "") + internal.frames(error);
    if (Array.isArray(error.errors)) {
      for (const each of error.errors.slice(0, 3)) text += "\n  - " + trace(each, 9).replaceAll("\n", "\n    ");
    }
    if (error.cause !== undefined && depth < 4) text += "\ncaused by: " + trace(error.cause, depth + 1);
    return text;
  }

  const NO_BROWSER = "there is no browser here";
  const HINTS = {
    Deno: 'this sandbox is not Deno: files are read with `import fs from "fs"`, arguments are in `process.argv`',
    Bun: 'this sandbox is not Bun: files are read with `import fs from "fs"`, arguments are in `process.argv`',
    __dirname: 'files are in "/workspace"',
    __filename: 'files are in "/workspace"',
    window: NO_BROWSER,
    document: NO_BROWSER,
    localStorage: `${NO_BROWSER}; variables stay for the next program of a session`,
    XMLHttpRequest: `${NO_BROWSER}, and no network: call a tool instead`,
    WebSocket: "there is no network: call a tool instead",
    EventSource: "there is no network: call a tool instead",
    Headers: "there is no network: call a tool instead",
    Request: "there is no network: call a tool instead",
    Response: "there is no network: call a tool instead",
    FormData: "there is no network: call a tool instead",
    Worker: "there are no threads: calls of tools run at once with `Promise.all`",
    Atomics: "there are no threads",
    WebAssembly: "there is no WebAssembly inside of the sandbox",
    Temporal: "dates are `Date`, and in other time zones `Intl.DateTimeFormat`",
    ReadableStream: "there are no streams: read and write files as a whole",
    Blob: "bytes are `Uint8Array` or `Buffer`; `emit(bytes, { mimeType })` shows them",
  };

  /** What to do about a name that is not defined. */
  function hint(error) {
    if (!(error instanceof ReferenceError)) return "";
    const name = /^(?:can't find variable: )?'?([\w$]+)'? is not defined$/.exec(error.message)?.[1];
    if (name === undefined) return "";
    if (Object.hasOwn(HINTS, name)) return `\nhint: ${HINTS[name]}`;
    const server = native.servers().find((each) => each.identifier === name || each.name === name);
    if (server) return `\nhint: write \`import * as ${name} from "servers/${server.identifier}"\``;
    const owner = internal.ownerOf(name);
    return owner ? `\nhint: write \`import { ${name} } from "servers/${owner}"\`` : "";
  }

  function exception(tag, error) {
    let kind = "Error";
    let message;
    let text = "";
    let at = null;
    // What the engine throws when there is no memory for an error.
    if (error === null && native.isLow()) return [tag, "InternalError", "out of memory", "InternalError: out of memory", null];
    try {
      if (error instanceof Error) {
        kind = String(error.name || error.constructor?.name || "Error");
        message = String(error.message) + hint(error);
        at = native.position(internal.frames(error));
      } else if (error !== null && typeof error === "object") {
        kind = String(error.constructor?.name ?? "Object");
        message = typeof error.message === "string" ? error.message : internal.inspect(error);
      } else {
        kind = error === undefined ? "undefined" : error === null ? "null" : Object(error).constructor.name;
        message = typeof error === "string" ? error : internal.inspect(error);
      }
      text = trace(error, 0);
    } catch (again) {
      message ??= `an error that cannot be shown: ${internal.headline(again)}`;
      text ||= `Uncaught ${message}`;
    }
    return [tag, clip(kind), clip(message), clip(text), at];
  }

  /**
   * What an uncaught error means. `Promise.any` wraps what its promises were
   * rejected with: an `AggregateError` means what all of its errors mean, and
   * where they differ it is the program's own failure.
   */
  function failure(error) {
    let tag = "raised";
    let refusal;
    try {
      const parts = internal.parts(error);
      const refusals = parts.map((part) => internal.refusal(part));
      if (refusals.every((each) => each !== undefined)) {
        tag = "refused";
        refusal = refusals[0];
      } else if (parts.every(internal.isOutOfMemory)) {
        tag = "out-of-memory";
      }
    } catch {
      // A proxy of the program, or no memory to look: `raised`, unless the
      // engine says that it has none left.
      if (internal.isOutOfMemory(null)) tag = "out-of-memory";
    }
    return [...exception(tag, error), refusal];
  }

  /** Keeps the variables of a program that ran as a function. */
  function keep() {
    try {
      const variables = state.variables?.() ?? {};
      for (const name of Object.keys(variables)) {
        try {
          internal.global(name, variables[name]);
        } catch {
          // The program ended before it declared this one.
        }
      }
    } catch {
      // A program without its variables is still a program.
    }
  }

  function stuck() {
    const error = new Error(
      "the program waits for a promise that nothing will ever settle: no tool call, no timer and no other task is left",
    );
    error.name = "StuckError";
    internal.setFrames(error, "");
    return exception("stuck", error);
  }

  // ---- turns

  /**
   * Runs one timer, if one is due. Answers `RAN`, how many milliseconds the
   * program waits, or, if it has ended, its outcome.
   */
  function turn() {
    if (state.exit !== null || state.failure !== null) return finish(false);
    if (timers.size() === 0) {
      if (calls.size() > 0) return Infinity;
      return finish(!state.settled);
    }
    try {
      if (timers.runOne()) return RAN;
    } catch (error) {
      fail(error);
      return finish(false);
    }
    if (state.settled && calls.size() === 0 && !timers.counting()) return finish(false);
    return timers.size() === 0 ? RAN : timers.remaining();
  }

  /** Nothing is left that a warning or a cleaning up could be about. */
  const isClean = () =>
    state.exit === null &&
    state.failure === null &&
    state.unhandled === null &&
    state.variables === null &&
    state.warnings.length === 0 &&
    timers.size() === 0 &&
    calls.isClean();

  /**
   * Ends the program and says how it ended: a text, whose first character says
   * what it is, or an array of the details and the warnings.
   */
  function finish(isStuck) {
    if (!isStuck && isClean()) {
      const shown = result(state.value);
      state = null;
      return shown;
    }
    let outcome;
    const rejected = state.unhandled ? [...state.unhandled.values()] : [];
    if (state.exit !== null) outcome = state.exit === 0 ? ["n"] : ["exited", state.exit];
    else if (state.failure) outcome = failure(state.failure.reason);
    else if (rejected.length) outcome = failure(rejected[0]);
    else if (isStuck) outcome = stuck();
    else outcome = [result(state.value)];

    keep();
    const { warnings } = state;
    for (const reason of rejected) {
      const shown = exception("raised", reason);
      if (shown[3] === outcome[3]) continue;
      internal.warn(`a promise was rejected and nothing handled it: ${shown[1]}: ${shown[2]}`);
    }
    const abandoned = calls.abandon();
    if (abandoned.length) {
      internal.warn(`${abandoned.length} tool call${abandoned.length === 1 ? " was" : "s were"} cancelled at the end: ${abandoned.slice(0, 5).join(", ")}`);
    }
    const left = timers.size();
    if (left && state.exit === null) {
      internal.warn(`${left} timer${left === 1 ? " was" : "s were"} stopped at the end`);
    }
    timers.clear();
    const unused = calls.unused();
    if (state.exit === null && !state.failure) for (const text of unused) internal.warn(text);
    state = null;
    return [outcome, warnings];
  }

  // ---- what the Rust side calls

  internal.hooks = {
    begin(name, values) {
      if (state !== null) {
        // The host gave up on the program before.
        calls.abandon();
        timers.clear();
      }
      if (guarded.length) unguard();
      state = fresh(name);
      internal.setArguments(name, values);
    },

    /** Follows the promise of the top level; `tail` says what its value means. */
    follow: (promise, tail) => follow(state, promise, tail),

    /** The top level has settled already, with a value that is no object. */
    done(value) {
      state.settled = true;
      state.value = value;
      return turn();
    },

    /** Binds the imports of a program, then starts it. */
    link(imports, tail) {
      const own = state;
      const later = imports.filter((each) => !linkServer(each));
      if (later.length === 0) return follow(own, native.evaluate(), tail);
      linkFiles(later).then(
        () => follow(own, native.evaluate(), tail),
        (reason) => failed(own, reason),
      ).catch((reason) => failed(own, reason));
    },

    fail,

    exit(status) {
      if (state === null) return;
      state.exit = status;
      state.settled = true;
    },

    /** Keeps track of rejections; only those left at the end count. */
    rejection(promise, reason, handled) {
      if (state === null) return;
      if (handled) state.unhandled?.delete(promise);
      else (state.unhandled ??= new Map()).set(promise, reason);
    },

    complete: calls.complete,

    turn,
  };
})
