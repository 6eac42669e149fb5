// The life of a program: its value, what it waits for, and how it ended.
//
// It ends when its top level has settled and nothing it started is left: no
// call in flight, no timer. Intervals alone do not keep it, because nobody is
// there to stop them. What the host drives (running jobs, waiting) is in Rust.
(function (native, internal) {
  "use strict";

  /** What `turn` tells the host side to do. */
  const RAN = 0;
  const FINISHED = 1;
  const WAIT = 2;
  const STUCK = 3;

  /** A limit for texts about errors; a program can make them as long as it likes. */
  const LONGEST = 16_384;
  const WARNINGS = 20;

  let state = null;

  function fresh(name) {
    return { name, settled: false, value: undefined, failure: null, exit: null, variables: null, warnings: [], unhandled: new Map() };
  }

  internal.warn = (text) => {
    if (state && state.warnings.length < WARNINGS && !state.warnings.includes(text)) state.warnings.push(text);
  };

  const fail = (reason) => {
    state.settled = true;
    state.failure ??= { reason };
  };
  const succeed = (value) => {
    state.settled = true;
    state.value = value;
  };

  // An error in a callback of ours, where no caller of the program could see it.
  internal.uncaught = fail;

  function settle(value, tail) {
    if (typeof value === "function" && (tail === "call" || tail === "wrapped")) {
      try {
        value = value(tail === "call" ? globalThis.tools : (variables) => (state.variables = variables));
      } catch (error) {
        return fail(error);
      }
    }
    if (value !== null && typeof value === "object" && native.promiseState(value)) {
      Promise.resolve(value).then(succeed, fail);
    } else {
      succeed(value);
    }
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
      const named = native.serverOf(one.specifier);
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
        module = await native.importFile(one.specifier);
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

  function exported(module, name, specifier, whole) {
    if (name in module) return module[name];
    if (name === "default" && whole) return whole;
    const near = native.nearest(name, Object.keys(module));
    throw new SyntaxError(`\`${specifier}\` has no export \`${name}\`; the closest are ${near.map((each) => `\`${each}\``).join(", ") || "none"}`);
  }

  internal.syntaxError = (message, file, line, column) => {
    return internal.setFrames(new SyntaxError(message), `    at ${file}:${line}:${column}`);
  };

  // ---- the value as JSON, or as text

  const DEEPEST = 500;

  /** Whether JSON says all there is to say about a value. */
  function expressible(value, depth, path) {
    switch (typeof value) {
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
    if (depth > DEEPEST || path.has(value) || native.isProxy(value)) return false;
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

  function result(value) {
    if (value === undefined || internal.timers.isHandle(value)) return ["nothing"];
    try {
      if (typeof value !== "object" ? expressible(value, 0) : expressible(value, 0, new Set())) {
        const text = JSON.stringify(value);
        if (typeof text === "string") return ["json", text];
      }
    } catch {
      // A getter or `toJSON` of the program threw: show the value instead.
    }
    return ["text", typeof value === "string" ? value : internal.inspect(value)];
  }

  // ---- errors

  const clip = (text) => (text.length > LONGEST ? text.slice(0, LONGEST) + "..." : text);

  function trace(error, depth) {
    if (!(error instanceof Error)) return `Uncaught ${internal.inspect(error)}`;
    let text = internal.headline(error) + internal.frames(error);
    if (Array.isArray(error.errors)) {
      for (const each of error.errors.slice(0, 3)) text += "\n  - " + trace(each, 9).replaceAll("\n", "\n    ");
    }
    if (error.cause !== undefined && depth < 4) text += "\ncaused by: " + trace(error.cause, depth + 1);
    return text;
  }

  function exception(tag, error) {
    let kind = "Error";
    let message;
    let text = "";
    let at = null;
    try {
      if (error instanceof Error) {
        kind = String(error.name || error.constructor?.name || "Error");
        message = String(error.message);
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
    }
    return [tag, clip(kind), clip(message), clip(text), at];
  }

  /** Keeps the variables of a program that ran as a function. */
  function keep() {
    try {
      const variables = state.variables?.() ?? {};
      for (const name of Object.keys(variables)) internal.global(name, variables[name]);
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

  // ---- what the Rust side calls

  internal.hooks = {
    begin(name, values) {
      state = fresh(name);
      internal.setArguments(name, values);
    },

    /** Follows the promise of the top level; `tail` says what its value means. */
    follow(promise, tail) {
      promise.then((result) => settle(tail === "nothing" ? undefined : result.value, tail), fail);
    },

    /** Binds the imports of a program, then starts it. */
    link(imports, tail) {
      const later = imports.filter((each) => !linkServer(each));
      if (later.length === 0) return internal.hooks.follow(native.evaluate(), tail);
      linkFiles(later)
        .then(() => native.evaluate())
        .then((result) => settle(tail === "nothing" ? undefined : result.value, tail))
        .catch(fail);
    },

    fail,

    /** The value of a program whose top level has settled already. */
    settle,

    exit(status) {
      state.exit = status;
      state.settled = true;
    },

    /** Keeps track of rejections; only those left at the end count. */
    rejection(promise, reason, handled) {
      if (state === null) return;
      if (handled) state.unhandled.delete(promise);
      else state.unhandled.set(promise, reason);
    },

    complete: internal.calls.complete,

    turn() {
      if (state.exit !== null || state.failure !== null) return FINISHED;
      try {
        if (internal.timers.runOne()) return RAN;
      } catch (error) {
        fail(error);
        return FINISHED;
      }
      if (internal.calls.size() > 0) return WAIT;
      if (state.settled) return internal.timers.counting() ? WAIT : FINISHED;
      return internal.timers.size() > 0 ? WAIT : STUCK;
    },

    /** Milliseconds until the next timer, or -1. */
    remaining: internal.timers.remaining,

    /** Ends the program and says how it ended. */
    finish(isStuck) {
      let outcome;
      const rejected = [...state.unhandled.values()];
      if (state.exit !== null) outcome = state.exit === 0 ? ["nothing"] : ["exited", state.exit];
      else if (state.failure) outcome = exception("raised", state.failure.reason);
      else if (rejected.length) outcome = exception("raised", rejected[0]);
      else if (isStuck) outcome = stuck();
      else outcome = result(state.value);

      keep();
      const { warnings } = state;
      for (const reason of rejected) {
        const shown = exception("raised", reason);
        if (outcome[0] === "raised" && shown[3] === outcome[3]) continue;
        internal.warn(`a promise was rejected and nothing handled it: ${shown[1]}: ${shown[2]}`);
      }
      const abandoned = internal.calls.abandon();
      if (abandoned.length) {
        internal.warn(`${abandoned.length} tool call${abandoned.length === 1 ? " was" : "s were"} cancelled at the end: ${abandoned.slice(0, 5).join(", ")}`);
      }
      const timers = internal.timers.size();
      if (timers && state.exit === null) {
        internal.warn(`${timers} timer${timers === 1 ? " was" : "s were"} stopped at the end`);
      }
      internal.timers.clear();
      const unused = internal.calls.unused();
      if (state.exit === null && !state.failure) for (const text of unused) internal.warn(text);
      state = null;
      return [outcome, warnings];
    },
  };
})
