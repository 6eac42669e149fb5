// Errors: what `error.stack` says, and the classes of failed tool calls.
//
// The engine keeps raw frames. Reading `stack` turns them into what people
// know: the message first, then the program's own frames, with the positions
// of the text they wrote. Nothing is paid for errors whose stack nobody reads.
(function (native, internal) {
  "use strict";

  const raw = Object.getOwnPropertyDescriptor(Error.prototype, "stack");
  const rawStack = raw.get;

  /** "TypeError: no such thing", never throwing, whatever the value is. */
  function headline(error) {
    try {
      const name = String(error.name ?? "Error");
      const message = String(error.message ?? "");
      return name && message ? `${name}: ${message}` : name || message;
    } catch {
      return "Error";
    }
  }

  Object.defineProperty(Error.prototype, "stack", {
    configurable: true,
    enumerable: false,
    get() {
      const frames = rawStack.call(this);
      if (typeof frames !== "string") return frames;
      // A stack that a program set itself has its own first line.
      if (frames !== "" && !frames.startsWith("    at ")) return frames;
      return headline(this) + native.programFrames(frames);
    },
    set: raw.set,
  });

  /** The program's frames of an error: lines that begin with a line break. */
  function frames(error) {
    try {
      const own = Object.getOwnPropertyDescriptor(error, "stack");
      const stack = own ? own.value : rawStack.call(error);
      if (typeof stack !== "string") return "";
      if (stack.startsWith("    at ")) return native.programFrames(stack);
      const start = stack.indexOf("\n    at ");
      return start < 0 ? "" : stack.slice(start);
    } catch {
      return "";
    }
  }

  // Where a tool was called: kept for the error it may end in. Positions are
  // taken as objects and written out only when needed, which is a third of the
  // price of `new Error()`.
  const prepare = Object.getOwnPropertyDescriptor(Error, "prepareStackTrace");
  const setPrepare = prepare.set.bind(Error);
  const getPrepare = prepare.get.bind(Error);
  const captureStackTrace = Error.captureStackTrace.bind(Error);
  const keepSites = (_, sites) => sites;

  /** The call sites outside of the function `run`. */
  internal.captureSites = (run) => {
    const target = {};
    const before = getPrepare();
    setPrepare(keepSites);
    captureStackTrace(target, run);
    setPrepare(before);
    return target.stack;
  };

  /** Call sites as the engine would have written them. */
  internal.rawFrames = (sites) =>
    sites
      .map((site) => `    at ${site.getFunctionName() || "<anonymous>"} (${site.getFileName()}:${site.getLineNumber()}:${site.getColumnNumber()})`)
      .join("\n");

  Object.defineProperty(Error, "captureStackTrace", {
    value: function captureStackTrace_(target, until) {
      captureStackTrace(target, until ?? captureStackTrace_);
      const frames = target.stack;
      if (typeof frames !== "string") return;
      const value = headline(target) + native.programFrames(frames);
      Object.defineProperty(target, "stack", { value, configurable: true, writable: true });
    },
    configurable: true,
    writable: true,
  });

  /**
   * JSON that every reader takes: half a surrogate pair, which JavaScript
   * writes as an escape, is an error elsewhere.
   */
  internal.wellFormed = (json) =>
    json !== undefined && json.includes("\\ud")
      ? json.replace(/(?<=(?:^|[^\\])(?:\\\\)*)\\ud[89a-f][0-9a-f]{2}/g, "\\ufffd")
      : json;

  /** Gives an error the frames of another place. */
  internal.setFrames = (error, raw) => {
    const value = headline(error) + native.programFrames(raw);
    return Object.defineProperty(error, "stack", { value, configurable: true, writable: true });
  };

  /** A tool call that has no result. */
  class ToolError extends Error {
    constructor(message, details) {
      super(message);
      const { kind = "failed", server = "", tool = "", parameters, code, data } = details ?? {};
      this.kind = kind;
      this.server = server;
      this.tool = tool;
      if (parameters !== undefined) this.parameters = parameters;
      // What the server said for programs: the code and data of its error, or
      // the structured part of a result that is one.
      if (code !== undefined) this.code = code;
      if (data !== undefined) this.data = data;
    }
  }

  /** A call that the policy does not allow. Nothing was sent. */
  class ToolDenied extends ToolError {}

  /** A call that a limit of the session refused. Nothing was sent. */
  class ToolLimit extends ToolError {}

  for (const type of [ToolError, ToolDenied, ToolLimit]) {
    Object.defineProperty(type.prototype, "name", {
      value: type.name,
      configurable: true,
      writable: true,
    });
    internal.global(type.name, type);
  }

  const classes = { denied: ToolDenied, limit: ToolLimit };

  // What the host said, for each error that was made of a refusal. Neither the
  // class nor the properties of an error say that: programs can have them too.
  const refusals = new WeakMap();
  const setRefusal = refusals.set.bind(refusals);
  const getRefusal = refusals.get.bind(refusals);

  internal.rawStack = rawStack;
  internal.headline = headline;
  internal.frames = frames;
  internal.toolError = (failure) => {
    const refused = Object.hasOwn(classes, failure.kind);
    const error = new (refused ? classes[failure.kind] : ToolError)(failure.message, failure);
    if (refused) setRefusal(error, failure);
    return error;
  };
  /** The failure that an error was made of, if the host refused something. */
  internal.refusal = getRefusal;

  const { isArray } = Array;
  const { getPrototypeOf } = Object;
  const AggregateErrorPrototype = AggregateError.prototype;
  const InternalErrorPrototype = InternalError.prototype;

  /**
   * Whether an error is the engine's own about memory, in a program that was
   * refused some: `null` where there was none left for an error.
   */
  internal.isOutOfMemory = (error) => {
    if (!native.memoryRefused()) return false;
    if (error === null) return native.isLow();
    return error instanceof Error && getPrototypeOf(error) === InternalErrorPrototype && String(error.message).startsWith("out of memory");
  };

  /** The errors of an `AggregateError`; any other error is the only one. */
  internal.parts = (error) => {
    const grouped = error instanceof Error && getPrototypeOf(error) === AggregateErrorPrototype && isArray(error.errors) && error.errors.length > 0;
    return grouped ? [...error.errors] : [error];
  };
})
