// Tools as functions: calls, server modules, and the other ways to name a tool.
//
// Nothing waits in here. A call is a promise, settled when the host hands its
// completion to `resume`. Names, descriptions and results come from strangers:
// they are data, never code.
(function (native, internal) {
  "use strict";

  const CALL = Symbol("call");
  const withResolvers = Promise.withResolvers.bind(Promise);
  const { captureSites, rawFrames } = internal;

  const calls = new Map(); // id -> call in flight
  const unused = new Set(); // calls whose promise nobody has looked at
  const servers = new Map(); // name as written -> server

  /** How many calls without `await` are worth a warning each. */
  const MAX_WARNINGS = 5;

  // A call is an ordinary promise, except that looking for anything but `then`
  // on it says what was forgotten. Whoever waits for it reads `constructor`
  // first (`await`, `Promise.all`, `then`), which is how its use is noticed.
  const missing = new Proxy(Object.create(Promise.prototype), {
    get(target, key, promise) {
      if (key in target) return Reflect.get(target, key, promise);
      const call = promise[CALL];
      if (call === undefined) return undefined;
      if (key === Symbol.toPrimitive || key === "toJSON") {
        internal.warn(`${call.label} was used as a value without \`await\`${place(call)}`);
        unused.delete(call);
        return undefined;
      }
      const loops = key === Symbol.iterator || key === Symbol.asyncIterator;
      if (typeof key === "symbol" && !loops) return undefined;
      unused.delete(call);
      const instead = loops ? `for (const item of await ${call.label}(...))` : `(await ${call.label}(...)).${String(key)}`;
      throw new TypeError(`${call.label} returns a promise: write \`${instead}\``);
    },
  });
  const prototype = Object.create(missing, {
    constructor: {
      get() {
        unused.delete(this[CALL]);
        return Promise;
      },
      configurable: true,
    },
    then: { value: Promise.prototype.then, configurable: true, writable: true },
    catch: { value: Promise.prototype.catch, configurable: true, writable: true },
    finally: { value: Promise.prototype.finally, configurable: true, writable: true },
  });

  function place(call) {
    const found = native.position(native.programFrames(rawFrames(call.sites)));
    return found ? ` (${found[0]}:${found[1]}:${found[2]})` : "";
  }

  /**
   * Starts a call. Whatever is wrong becomes a rejection, never a throw.
   * `from` is the function that the program called, `read` makes of the result
   * what the program gets, `whole` asks for all of the answer.
   */
  function start(name, label, values, options, from, read = null, whole = false) {
    const { promise, resolve, reject } = withResolvers();
    const call = { label, resolve, reject, read, sites: captureSites(from), signal: null, onAbort: null };
    Object.setPrototypeOf(promise, prototype);
    promise[CALL] = call;
    try {
      const signal = options?.signal;
      if (signal?.aborted) throw signal.reason;
      const text = internal.argumentsText(values, name);
      const id = native.startCall(name, text, whole);
      if (typeof id !== "number") throw failed(call, id);
      calls.set(id, call);
      unused.add(call);
      if (signal) listen(call, id, signal);
    } catch (error) {
      reject(error);
    }
    return promise;
  }

  function listen(call, id, signal) {
    call.signal = signal;
    call.onAbort = () => {
      if (!calls.delete(id)) return;
      native.cancel(id);
      call.reject(signal.reason);
    };
    signal.addEventListener("abort", call.onAbort, { once: true });
  }

  /** The error of a call, with the place where the call was made. */
  function failed(call, failure) {
    return internal.setFrames(internal.toolError(failure), rawFrames(call.sites));
  }

  const plain = (value) => {
    if (value === null || typeof value !== "object" || Array.isArray(value)) return false;
    const parent = Object.getPrototypeOf(value);
    return parent === Object.prototype || parent === null || value.constructor?.name === "Object";
  };
  const isOptions = (value) => plain(value) && typeof value.signal?.addEventListener === "function";

  /** One object of named arguments, or arguments by position. */
  function bind(label, parameters, values) {
    let options;
    if (values.length > 1 && isOptions(values[values.length - 1])) options = values.pop();
    while (values.length && values[values.length - 1] === undefined) values.pop();
    if (values.length === 0) return [{}, options];
    if (values.length === 1 && plain(values[0])) return [values[0], options];
    const names = parameters.map((parameter) => parameter.name);
    if (values.length > names.length) {
      const known = names.length ? `its parameters are ${list(names)}` : "it takes no arguments";
      throw new TypeError(`${label} was given ${values.length} arguments; ${known}`);
    }
    const named = {};
    values.forEach((value, index) => {
      if (value !== undefined) named[names[index]] = value;
    });
    return [named, options];
  }

  const list = (names) => names.map((name) => `\`${name}\``).join(", ");

  /** The function of a tool. */
  function toolFunction(server, tool) {
    const name = `${server.name}.${tool.name}`;
    const label = `${server.identifier}.${tool.identifier}`;
    const make = (whole) => {
      const run = function (...values) {
        if (values.length === 1 && plain(values[0])) return start(name, label, values[0], undefined, run, null, whole);
        let bound;
        try {
          bound = bind(label, tool.parameters, values);
        } catch (error) {
          return Promise.reject(error);
        }
        return start(name, label, bound[0], bound[1], run, null, whole);
      };
      return run;
    };
    const run = make(false);
    Object.defineProperty(run, "name", { value: tool.identifier });
    // `await tool.full(...)`: `{ value, content, structuredContent, _meta }`.
    Object.defineProperty(run, "full", { value: make(true), configurable: true, writable: true });
    return run;
  }

  /** The server of this name or identifier. Starts it, the first time. */
  function server(written) {
    const known = servers.get(written);
    if (known) return known;
    const described = native.describe(written, "javascript");
    if (!Array.isArray(described)) throw internal.toolError(described);
    const found = native.servers().find((each) => each.name === written || each.identifier === written) ?? {
      name: written,
      identifier: written,
    };
    const tools = new Map();
    const module = Object.create(null);
    for (const tool of described) {
      const run = toolFunction(found, tool);
      for (const name of [tool.identifier, tool.name]) if (!tools.has(name)) tools.set(name, run);
      // A module with a function `then` would be taken for a promise.
      if (tool.identifier !== "then") module[tool.identifier] = run;
    }
    tools.delete("then");
    const made = { ...found, tools, names: Object.keys(module), byName: new Map(described.map((tool) => [tool.name, module[tool.identifier]])), elsewhere: null, module: null };
    made.module = new Proxy(module, {
      get(target, key) {
        if (typeof key !== "string" || key in target) return target[key];
        if (key === "then" || key === "toJSON") return tools.get(key);
        const run = toolOf(made, key);
        if (run) return run;
        if (key === "default") return made.module;
        throw new TypeError(absent(made, key));
      },
      has: (target, key) => key in target || (typeof key === "string" && toolOf(made, key) !== undefined),
    });
    Object.defineProperty(module, Symbol.toStringTag, { value: "Module" });
    proxies.set(made.module, () => `[Module servers/${found.identifier}] { ${made.names.join(", ")} }`);
    servers.set(written, made);
    return made;
  }

  /**
   * The names that tools have in Python, which are understood too. Asked for
   * when a name is none of JavaScript.
   */
  function elsewhere(server) {
    if (server.elsewhere === null) {
      server.elsewhere = new Map();
      const described = native.describe(server.name, "python");
      if (Array.isArray(described)) {
        for (const tool of described) {
          const run = server.byName.get(tool.name);
          if (run && tool.identifier !== "then" && !server.tools.has(tool.identifier)) server.elsewhere.set(tool.identifier, run);
        }
      }
    }
    return server.elsewhere;
  }

  /** The function of a tool, by any of its names. */
  const toolOf = (server, name) => server.tools.get(name) ?? elsewhere(server).get(name);

  const absent = (server, name) => {
    const near = native.nearest(name, server.names);
    const advice = near.length ? `did you mean ${list(near)}?` : "it has no tools";
    return `the server \`${server.name}\` has no tool \`${name}\`; ${advice}`;
  };

  const proxies = new WeakMap();
  internal.proxyLabel = (proxy) => proxies.get(proxy)?.();

  function callByName(from, whole, name, rest) {
    if (typeof rest[0] === "string") name = `${name}.${rest.shift()}`;
    if (typeof name !== "string") {
      return Promise.reject(new TypeError(`${from.name} takes the name of a tool, for example "server.tool", not ${internal.inspect(name)}`));
    }
    const [given, options] = rest;
    const values = given ?? {};
    if (!plain(values)) {
      return Promise.reject(new TypeError(`${from.name}("${name}", ...) takes one object of arguments, not ${internal.inspect(values)}`));
    }
    return start(name, name, values, options, from, null, whole);
  }

  /** `callTool("server.tool", {...})`, also `callTool("server", "tool", {...})`. */
  function callTool(name, ...rest) {
    return callByName(callTool, false, name, rest);
  }

  /** The same; what it gives is the whole answer:
   * `{ value, content, structuredContent, _meta }`. */
  function callToolFull(name, ...rest) {
    return callByName(callToolFull, true, name, rest);
  }

  /** `tools.server.tool(...)`: names are looked up when the call is made. */
  function toolsOfServer(name) {
    return new Proxy(function () {}, {
      get(_, key) {
        if (typeof key !== "string" || key === "then" || key === "toJSON") return undefined;
        const late = (whole) => (...values) => {
          try {
            const found = server(name);
            const run = toolOf(found, key);
            if (!run) {
              throw internal.toolError({ kind: "unknown_tool", server: found.name, tool: key, message: absent(found, key) });
            }
            return whole ? run.full(...values) : run(...values);
          } catch (error) {
            return Promise.reject(error);
          }
        };
        return Object.defineProperty(late(false), "full", { value: late(true), configurable: true, writable: true });
      },
      apply: (_, __, values) => callTool(name, ...values),
    });
  }

  const tools = new Proxy(Object.create(null), {
    get(_, key) {
      if (typeof key !== "string" || key === "then" || key === "toJSON") return undefined;
      if (key === "callTool" || key === "call") return callTool;
      if (key === "callToolFull") return callToolFull;
      // A program that is a function may take `{ tools }`.
      if (key === "tools") return tools;
      return toolsOfServer(key);
    },
  });
  proxies.set(tools, () => `[Tools] { ${native.servers().map((each) => each.identifier).join(", ")} }`);

  const DETAILS = ["brief", "detailed", "full"];

  /** Tools in one answer, at most. The host has the same limit. */
  const MAX_TOOLS = 1_000;

  /**
   * Finds tools by what they do: the best first, as an array of objects. Its
   * properties `total` and `message` say how many there are, and what there is
   * to say about the search. Answered at once; `await` does no harm.
   *
   * `searchTools(query, { detail, server, limit })`, or the same by position.
   */
  function searchTools(query = "", ...rest) {
    let options = plain(rest[0]) ? rest[0] : { detail: rest[0], server: rest[1], limit: rest[2] };
    if (plain(query)) ({ query = "", ...options } = query);
    for (const key of Object.keys(options)) {
      if (!["detail", "server", "limit"].includes(key)) throw new TypeError(`searchTools has no option \`${key}\`: there are \`detail\`, \`server\` and \`limit\``);
    }
    const { detail, server, limit } = options;
    if (typeof query !== "string") {
      throw new TypeError(`searchTools takes a text to look for, not ${internal.inspect(query)}; an empty one lists all tools`);
    }
    const level = DETAILS.indexOf(detail ?? "brief");
    if (level < 0) throw new TypeError(`\`detail\` must be one of "brief", "detailed", "full", not ${internal.inspect(detail)}`);
    const only = server ?? null;
    if (only !== null && typeof only !== "string") {
      throw new TypeError(`\`server\` must be the name of one server, not ${internal.inspect(server)}`);
    }
    const most = limit ?? 10;
    if (!Number.isInteger(most) || most < 1 || most > MAX_TOOLS) {
      throw new RangeError(`\`limit\` must be a whole number from 1 to ${MAX_TOOLS}, not ${internal.inspect(limit)}`);
    }
    const found = native.search(query, level, only, most);
    if (!Array.isArray(found.tools)) throw internal.toolError(found);
    const { tools, total, message } = found;
    Object.defineProperty(tools, "total", { value: total, configurable: true, writable: true });
    if (message !== undefined) {
      // Enumerable, so that it is seen when the array is printed.
      tools.message = message;
      internal.warn(`searchTools(${JSON.stringify(query.slice(0, 100))}): ${message}`);
    }
    return tools;
  }

  // What "servers" has beside servers. A server of the same name comes first:
  // the operator named it.
  const functions = { searchTools, search_tools: searchTools, callTool, call_tool: callTool, callToolFull, call_tool_full: callToolFull };
  functions.callMCPTool = functions.call_mcp_tool = callTool;
  internal.serverFunctions = functions;
  internal.startCall = start;
  const isServer = (name) => native.servers().some((each) => each.identifier === name || each.name === name);

  /** All servers as one module: `import { github } from "servers"`. */
  const all = new Proxy(Object.create(null), {
    get(_, key) {
      if (typeof key !== "string" || key === "then" || key === "toJSON") return undefined;
      return Object.hasOwn(functions, key) && !isServer(key) ? functions[key] : server(key).module;
    },
    has: (_, key) => Object.hasOwn(functions, key) || isServer(key),
    ownKeys: () => native.servers().map((each) => each.identifier),
    getOwnPropertyDescriptor: (_, key) => ({ value: undefined, enumerable: true, configurable: true, key }),
  });
  proxies.set(all, () => internal.proxyLabel(tools));
  // Files of the published pattern import what calls tools from a file
  // `client` above them; one of the program's own comes first.
  internal.isAllServers = (specifier, base = "") =>
    /^[./]*(?:servers|mcp_tools)(?:\/index)?(?:\.[jt]s)?\/?$/.test(specifier) || (/^[./@~]+\/client(?:\.[jt]s)?$/.test(specifier) && !native.hasImport(base, specifier));
  internal.allServers = (specifier, base) => (internal.isAllServers(specifier, base) ? all : null);
  /** The same for modules, whose exports are read when they are loaded: no
   * server is started then. */
  internal.lazyServers = () => {
    const lazy = { ...functions };
    for (const { identifier } of native.servers()) lazy[identifier] = toolsOfServer(identifier);
    return lazy;
  };

  /** "servers/github", "./servers/github/listIssues.js", "mcp_tools/x" ... */
  internal.serverModule = (server_, tool) => {
    const found = server(server_);
    const module = {
      module: found.module,
      default: found.module,
      server: found,
      get exports() {
        return [...found.tools.keys(), ...elsewhere(found).keys()];
      },
    };
    if (tool === null || tool === undefined) return module;
    module.default = toolOf(found, tool);
    if (!module.default) throw new SyntaxError(absent(found, tool));
    module.exportName = module.default.name;
    return module;
  };
  /** The module of one tool, `servers/github/listIssues`, as an object. */
  internal.withDefault = (found) => new Proxy(found.module, { get: (module, key) => (key === "default" ? found.default : module[key]) });
  internal.serverExport = (found, name) => {
    if (name === "default") return found.default;
    const run = toolOf(found.server, name);
    if (!run) throw new SyntaxError(absent(found.server, name));
    return run;
  };

  /** The server, of those in use, that has a tool of this name. */
  internal.ownerOf = (name) => {
    for (const each of servers.values()) if (toolOf(each, name)) return each.identifier;
    return null;
  };

  internal.calls = {
    size: () => calls.size,
    isClean: () => calls.size === 0 && unused.size === 0,
    complete(id, ok, value) {
      const call = calls.get(id);
      if (call === undefined) return;
      calls.delete(id);
      call.signal?.removeEventListener("abort", call.onAbort);
      if (!ok) return call.reject(failed(call, value));
      try {
        call.resolve(call.read === null ? value : call.read(value));
      } catch (error) {
        // A server sent something else than it should.
        call.reject(error);
      }
    },
    /** Ends what a program left in flight and says so. */
    abandon() {
      const labels = [];
      for (const [id, call] of calls) {
        native.cancel(id);
        unused.delete(call);
        labels.push(call.label);
      }
      calls.clear();
      return labels;
    },
    /** Calls whose result nobody asked for. */
    unused() {
      const warnings = [];
      for (const call of unused) {
        if (warnings.length === MAX_WARNINGS) {
          warnings.push(`${unused.size - MAX_WARNINGS} more calls were not awaited`);
          break;
        }
        warnings.push(`the call of ${call.label} was not awaited${place(call)}: its result is lost`);
      }
      unused.clear();
      return warnings;
    },
  };

  internal.global("tools", tools);
  for (const name of Object.keys(functions)) internal.global(name, functions[name]);
})
