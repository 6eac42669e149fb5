// Timers. The host is never asked to wait: the program is run until nothing is
// ready, and the time of the earliest timer goes back with `waiting`.
(function (native, internal) {
  "use strict";

  /** setTimeout takes 32 bits; what is longer would be at once, as in browsers. */
  const MAX_DELAY = 2 ** 31 - 1;

  const timers = new Map(); // id -> timer, in the order of creation
  let next = 1;
  let earliest = null; // the timer to run next, or null if unknown

  class Timeout {
    constructor(id) {
      this.id = id;
    }
    ref() {
      return this;
    }
    unref() {
      const timer = timers.get(this.id);
      if (timer) timer.counts = false;
      return this;
    }
    hasRef() {
      return timers.get(this.id)?.counts ?? false;
    }
    refresh() {
      const timer = timers.get(this.id);
      if (timer) {
        timer.at = native.now() + timer.delay;
        earliest = null;
      }
      return this;
    }
    close() {
      clear(this);
    }
    [Symbol.toPrimitive]() {
      return this.id;
    }
  }

  function add(callback, delay, values, repeats) {
    if (typeof callback !== "function") {
      throw new TypeError(`a timer takes a function, not ${internal.inspect(callback)}`);
    }
    delay = Number(delay);
    if (!(delay >= 1 && delay <= MAX_DELAY)) delay = 1;
    const id = next++;
    const timer = { id, callback, values, delay, repeats, counts: !repeats, at: native.now() + delay };
    timers.set(id, timer);
    if (earliest !== null && timer.at < earliest.at) earliest = timer;
    return new Timeout(id);
  }

  function clear(handle) {
    const id = typeof handle === "object" && handle !== null ? handle.id : Number(handle);
    if (earliest?.id === id) earliest = null;
    timers.delete(id);
  }

  /** The timer that is due first; the older one of equals. */
  function first() {
    if (earliest === null) {
      for (const timer of timers.values()) {
        if (earliest === null || timer.at < earliest.at) earliest = timer;
      }
    }
    return earliest;
  }

  internal.timers = {
    /** Runs one timer that is due. The caller runs jobs before the next. */
    runOne() {
      if (timers.size === 0) return false;
      const timer = first();
      const now = native.now();
      if (timer.at > now) return false;
      earliest = null;
      if (timer.repeats) timer.at = now + timer.delay;
      else timers.delete(timer.id);
      timer.callback.apply(undefined, timer.values);
      return true;
    },
    /** Milliseconds until the next timer. There must be one. */
    remaining() {
      return Math.max(0, first().at - native.now());
    },
    /** Whether a timer is left that a program that is done should wait for. */
    counting() {
      for (const timer of timers.values()) if (timer.counts) return true;
      return false;
    },
    size: () => timers.size,
    isHandle: (value) => value instanceof Timeout,
    clear() {
      timers.clear();
      earliest = null;
    },
  };

  internal.global("setTimeout", function setTimeout(callback, delay, ...values) {
    return add(callback, delay, values, false);
  });
  internal.global("setInterval", function setInterval(callback, delay, ...values) {
    return add(callback, delay, values, true);
  });
  internal.global("setImmediate", function setImmediate(callback, ...values) {
    return add(callback, 0, values, false);
  });
  for (const name of ["clearTimeout", "clearInterval", "clearImmediate"]) {
    internal.global(name, { [name](handle) { if (handle !== undefined && handle !== null) clear(handle); } }[name]);
  }
})
