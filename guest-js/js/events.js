// Event, EventTarget, AbortController and AbortSignal.
(function (native, internal) {
  "use strict";

  class Event {
    #type;
    #cancelable;
    #prevented = false;
    constructor(type, options) {
      this.#type = String(type);
      this.#cancelable = Boolean(options?.cancelable);
      this.bubbles = Boolean(options?.bubbles);
      this.target = null;
      this.currentTarget = null;
      this.timeStamp = native.now();
      this.stopped = false;
      Object.defineProperty(this, "stopped", { enumerable: false });
    }
    get type() {
      return this.#type;
    }
    get cancelable() {
      return this.#cancelable;
    }
    get defaultPrevented() {
      return this.#prevented;
    }
    preventDefault() {
      if (this.#cancelable) this.#prevented = true;
    }
    stopPropagation() {}
    stopImmediatePropagation() {
      this.stopped = true;
    }
  }

  class CustomEvent extends Event {
    constructor(type, options) {
      super(type, options);
      this.detail = options?.detail ?? null;
    }
  }

  class EventTarget {
    #listeners = new Map();

    addEventListener(type, listener, options) {
      if (listener === null || listener === undefined) return;
      const once = typeof options === "object" && Boolean(options?.once);
      const signal = typeof options === "object" ? options?.signal : undefined;
      if (signal?.aborted) return;
      const list = this.#listeners.get(String(type)) ?? [];
      if (list.some((entry) => entry.listener === listener)) return;
      list.push({ listener, once });
      this.#listeners.set(String(type), list);
      signal?.addEventListener("abort", () => this.removeEventListener(type, listener), { once: true });
    }

    removeEventListener(type, listener) {
      const list = this.#listeners.get(String(type));
      if (list) this.#listeners.set(String(type), list.filter((entry) => entry.listener !== listener));
    }

    dispatchEvent(event) {
      event.target = event.currentTarget = this;
      const handler = this[`on${event.type}`];
      const list = [...(this.#listeners.get(event.type) ?? [])];
      if (typeof handler === "function") list.unshift({ listener: handler });
      for (const { listener, once } of list) {
        if (event.stopped) break;
        if (once) this.removeEventListener(event.type, listener);
        try {
          if (typeof listener === "function") listener.call(this, event);
          else listener.handleEvent?.(event);
        } catch (error) {
          // A listener that throws ends neither the event nor its sender.
          internal.uncaught(error);
        }
      }
      event.currentTarget = null;
      return !event.defaultPrevented;
    }
  }

  const abortError = () => new DOMException("This operation was aborted", "AbortError");
  let making = false;

  class AbortSignal extends EventTarget {
    #aborted = false;
    #reason = undefined;
    #followers = [];

    constructor() {
      if (!making) throw new TypeError("an AbortSignal comes from `new AbortController().signal`, `AbortSignal.timeout` or `AbortSignal.any`");
      super();
      this.onabort = null;
      Object.defineProperty(this, "onabort", { enumerable: false });
    }
    get aborted() {
      return this.#aborted;
    }
    get reason() {
      return this.#reason;
    }
    throwIfAborted() {
      if (this.#aborted) throw this.#reason;
    }
    [internal.CUSTOM]() {
      return `AbortSignal { aborted: ${this.#aborted} }`;
    }

    static #make() {
      making = true;
      try {
        return new AbortSignal();
      } finally {
        making = false;
      }
    }
    static #end(signal, reason) {
      if (signal.#aborted) return;
      signal.#aborted = true;
      signal.#reason = reason === undefined ? abortError() : reason;
      signal.dispatchEvent(new Event("abort"));
      for (const follower of signal.#followers.splice(0)) AbortSignal.#end(follower, signal.#reason);
    }
    static abort(reason) {
      const signal = AbortSignal.#make();
      AbortSignal.#end(signal, reason);
      return signal;
    }
    static timeout(milliseconds) {
      const signal = AbortSignal.#make();
      const end = () => AbortSignal.#end(signal, new DOMException("The operation was aborted due to timeout", "TimeoutError"));
      // As in Node: a signal alone does not keep the program running.
      setTimeout(end, milliseconds).unref();
      return signal;
    }
    static any(signals) {
      const any = AbortSignal.#make();
      for (const signal of signals) {
        if (signal.aborted) {
          AbortSignal.#end(any, signal.reason);
          return any;
        }
        signal.#followers.push(any);
      }
      return any;
    }
    static {
      internal.abortSignal = { make: () => AbortSignal.#make(), end: (signal, reason) => AbortSignal.#end(signal, reason) };
    }
  }

  const { make, end } = internal.abortSignal;

  class AbortController {
    #signal = make();
    get signal() {
      return this.#signal;
    }
    abort(reason) {
      end(this.#signal, reason);
    }
    [internal.CUSTOM]() {
      return `AbortController { signal: ${internal.inspect(this.#signal)} }`;
    }
  }

  internal.global("Event", Event);
  internal.global("CustomEvent", CustomEvent);
  internal.global("EventTarget", EventTarget);
  internal.global("AbortSignal", AbortSignal);
  internal.global("AbortController", AbortController);
})
