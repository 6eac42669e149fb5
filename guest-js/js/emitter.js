// `node:events`.
(function (native, internal) {
  "use strict";

  const checkListener = (listener) => {
    if (typeof listener !== "function") throw Object.assign(new TypeError(`The "listener" argument must be of type function. Received ${internal.inspect(listener)}`), { code: "ERR_INVALID_ARG_TYPE" });
  };

  const LISTENERS = Symbol("listeners");

  // A function and no class: packages call it on objects of their own.
  function EventEmitter() {
    this[LISTENERS] = new Map();
  }

  const listenersOf = (emitter) => {
    if (!Object.hasOwn(emitter, LISTENERS)) Object.defineProperty(emitter, LISTENERS, { value: new Map(), configurable: true, writable: true });
    return emitter[LISTENERS];
  };

  function add(emitter, name, listener, original, first) {
    checkListener(original);
    const all = listenersOf(emitter);
    if (all.has("newListener")) emitter.emit("newListener", name, original);
    const list = all.get(name) ?? [];
    const entry = { listener, original };
    all.set(name, first ? [entry, ...list] : [...list, entry]);
    return emitter;
  }

  function once(emitter, name, listener) {
    checkListener(listener);
    return function onceWrapper(...values) {
      emitter.removeListener(name, listener);
      return listener.apply(emitter, values);
    };
  }

  const methods = {
    on(name, listener) {
      return add(this, name, listener, listener, false);
    },
    prependListener(name, listener) {
      return add(this, name, listener, listener, true);
    },
    once(name, listener) {
      return add(this, name, once(this, name, listener), listener, false);
    },
    prependOnceListener(name, listener) {
      return add(this, name, once(this, name, listener), listener, true);
    },
    removeListener(name, listener) {
      const all = listenersOf(this);
      const list = all.get(name);
      const at = list?.findLastIndex((entry) => entry.original === listener || entry.listener === listener) ?? -1;
      if (at < 0) return this;
      if (list.length === 1) all.delete(name);
      else all.set(name, list.toSpliced(at, 1));
      if (all.has("removeListener")) this.emit("removeListener", name, listener);
      return this;
    },
    removeAllListeners(name) {
      if (name === undefined) listenersOf(this).clear();
      else listenersOf(this).delete(name);
      return this;
    },
    emit(name, ...values) {
      const list = listenersOf(this).get(name);
      if (list === undefined) {
        if (name !== "error") return false;
        const [error] = values;
        if (error instanceof Error) throw error;
        throw Object.assign(new Error(`Unhandled error. (${internal.inspect(error)})`), { code: "ERR_UNHANDLED_ERROR", context: error });
      }
      for (const { listener } of list) listener.apply(this, values);
      return true;
    },
    listeners(name) {
      return (listenersOf(this).get(name) ?? []).map((entry) => entry.original);
    },
    rawListeners(name) {
      return (listenersOf(this).get(name) ?? []).map((entry) => entry.listener);
    },
    listenerCount(name, listener) {
      const list = listenersOf(this).get(name) ?? [];
      return listener === undefined ? list.length : list.filter((entry) => entry.original === listener).length;
    },
    eventNames() {
      return [...listenersOf(this).keys()];
    },
    setMaxListeners() {
      return this;
    },
    getMaxListeners: () => 10,
  };
  methods.addListener = methods.on;
  methods.off = methods.removeListener;
  for (const [name, value] of Object.entries(methods)) Object.defineProperty(EventEmitter.prototype, name, { value, configurable: true, writable: true, enumerable: true });

  /** A promise of the next event. */
  EventEmitter.once = (emitter, name, options) =>
    new Promise((resolve, reject) => {
      if (options?.signal?.aborted) return reject(options.signal.reason);
      if (typeof emitter.addEventListener === "function") return emitter.addEventListener(name, (event) => resolve([event]), { once: true });
      const fail = (error) => {
        emitter.removeListener(name, done);
        reject(error);
      };
      const done = (...values) => {
        emitter.removeListener("error", fail);
        resolve(values);
      };
      emitter.once(name, done);
      if (name !== "error") emitter.once("error", fail);
      options?.signal?.addEventListener("abort", () => fail(options.signal.reason), { once: true });
    });

  /** The events as they come, for `for await`. */
  EventEmitter.on = (emitter, name, options) => {
    const events = [];
    const waiting = [];
    let failure = null;
    const push = (...values) => (waiting.length ? waiting.shift().resolve({ value: values, done: false }) : events.push(values));
    const fail = (error) => (waiting.length ? waiting.shift().reject(error) : (failure = { error }));
    emitter.on(name, push);
    emitter.on("error", fail);
    options?.signal?.addEventListener("abort", () => fail(options.signal.reason), { once: true });
    return {
      next() {
        if (events.length) return Promise.resolve({ value: events.shift(), done: false });
        if (failure) return Promise.reject(failure.error);
        return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
      },
      return() {
        emitter.removeListener(name, push);
        emitter.removeListener("error", fail);
        for (const each of waiting.splice(0)) each.resolve({ value: undefined, done: true });
        return Promise.resolve({ value: undefined, done: true });
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  };
  EventEmitter.listenerCount = (emitter, name) => emitter.listenerCount(name);
  EventEmitter.defaultMaxListeners = 10;
  EventEmitter.errorMonitor = Symbol("events.errorMonitor");
  EventEmitter.EventEmitter = EventEmitter;
  EventEmitter.default = EventEmitter;

  internal.builtins.events = EventEmitter;
})
