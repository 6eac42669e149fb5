// URL and URLSearchParams. Parsing is done in Rust, by the `url` crate.
(function (native, internal) {
  "use strict";

  // The places in what `native.url` answers.
  const PARTS = ["href", "protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash", "origin"];

  const encode = (text) =>
    encodeURIComponent(text.toWellFormed()).replace(/%20|[!'()~]/g, (mark) => (mark === "%20" ? "+" : "%" + mark.charCodeAt(0).toString(16).toUpperCase()));

  function decode(text) {
    const bytes = [];
    const raw = new Uint8Array(native.encode(text.replaceAll("+", " ")));
    for (let at = 0; at < raw.length; at++) {
      const code = raw[at] === 37 ? parseInt(String.fromCharCode(raw[at + 1], raw[at + 2]), 16) : NaN;
      const valid = raw[at] === 37 && /^[0-9a-fA-F]{2}$/.test(String.fromCharCode(raw[at + 1] ?? 0, raw[at + 2] ?? 0));
      if (valid) {
        bytes.push(code);
        at += 2;
      } else {
        bytes.push(raw[at]);
      }
    }
    const array = new Uint8Array(bytes);
    return native.decode(array.buffer, 0, array.length, false);
  }

  class URLSearchParams {
    #pairs = [];
    #changed = null;

    constructor(from = "", changed) {
      if (typeof from === "object" && from !== null) {
        if (typeof from[Symbol.iterator] === "function") {
          for (const pair of from) {
            const [name, value, ...more] = pair;
            if (value === undefined || more.length) throw new TypeError("URLSearchParams takes pairs of a name and a value");
            this.#pairs.push([String(name), String(value)]);
          }
        } else {
          for (const name of Object.keys(from)) this.#pairs.push([name, String(from[name])]);
        }
      } else {
        this.#parse(String(from));
      }
      if (changed?.key === internal) this.#changed = changed.call;
    }
    #parse(text) {
      this.#pairs = [];
      for (const part of text.replace(/^\?/, "").split("&")) {
        if (part === "") continue;
        const at = part.indexOf("=");
        this.#pairs.push(at < 0 ? [decode(part), ""] : [decode(part.slice(0, at)), decode(part.slice(at + 1))]);
      }
    }
    static {
      internal.searchParse = (parameters, text) => parameters.#parse(text);
    }
    get size() {
      return this.#pairs.length;
    }
    append(name, value) {
      this.#pairs.push([String(name), String(value)]);
      this.#changed?.();
    }
    delete(name, value) {
      this.#pairs = this.#pairs.filter((pair) => pair[0] !== String(name) || (value !== undefined && pair[1] !== String(value)));
      this.#changed?.();
    }
    get(name) {
      return this.#pairs.find((pair) => pair[0] === String(name))?.[1] ?? null;
    }
    getAll(name) {
      return this.#pairs.filter((pair) => pair[0] === String(name)).map((pair) => pair[1]);
    }
    has(name, value) {
      return this.#pairs.some((pair) => pair[0] === String(name) && (value === undefined || pair[1] === String(value)));
    }
    set(name, value) {
      name = String(name);
      const at = this.#pairs.findIndex((pair) => pair[0] === name);
      if (at < 0) {
        this.#pairs.push([name, String(value)]);
      } else {
        this.#pairs[at][1] = String(value);
        this.#pairs = this.#pairs.filter((pair, index) => index <= at || pair[0] !== name);
      }
      this.#changed?.();
    }
    sort() {
      this.#pairs.sort((one, other) => (one[0] < other[0] ? -1 : one[0] > other[0] ? 1 : 0));
      this.#changed?.();
    }
    forEach(callback, self) {
      for (const [name, value] of this.#pairs) callback.call(self, value, name, this);
    }
    *keys() {
      for (const pair of this.#pairs) yield pair[0];
    }
    *values() {
      for (const pair of this.#pairs) yield pair[1];
    }
    *entries() {
      for (const pair of this.#pairs) yield [...pair];
    }
    [Symbol.iterator]() {
      return this.entries();
    }
    toString() {
      return this.#pairs.map(([name, value]) => `${encode(name)}=${encode(value)}`).join("&");
    }
    get [Symbol.toStringTag]() {
      return "URLSearchParams";
    }
    [internal.CUSTOM]() {
      const shown = this.#pairs.map(([name, value]) => `${internal.inspect(name)} => ${internal.inspect(value)}`);
      return shown.length ? `URLSearchParams { ${shown.join(", ")} }` : "URLSearchParams {}";
    }
  }

  class URL {
    #parts;
    #search = null;

    constructor(url, base) {
      const parts = native.url(String(url), base === undefined ? null : String(base));
      if (parts === undefined) {
        const error = new TypeError(`Invalid URL: \`${String(url)}\`${base === undefined ? "" : ` with base \`${String(base)}\``}`);
        error.code = "ERR_INVALID_URL";
        error.input = String(url);
        throw error;
      }
      this.#parts = parts;
    }
    static canParse(url, base) {
      return native.url(String(url), base === undefined ? null : String(base)) !== undefined;
    }
    static parse(url, base) {
      return URL.canParse(url, base) ? new URL(url, base) : null;
    }
    #set(part, value) {
      const parts = native.urlSet(this.#parts[0], part, String(value));
      if (parts === undefined) {
        if (part === "href") throw new TypeError(`Invalid URL: \`${String(value)}\``);
        return;
      }
      this.#parts = parts;
      if (this.#search && part !== "hash") internal.searchParse(this.#search, parts[8]);
    }
    get searchParams() {
      if (this.#search === null) {
        const call = () => {
          this.#parts = native.urlSet(this.#parts[0], "search", this.#search.toString()) ?? this.#parts;
        };
        this.#search = new URLSearchParams(this.#parts[8], { key: internal, call });
      }
      return this.#search;
    }
    toString() {
      return this.#parts[0];
    }
    toJSON() {
      return this.#parts[0];
    }
    get [Symbol.toStringTag]() {
      return "URL";
    }
    [internal.CUSTOM]() {
      const shown = PARTS.filter((part) => part !== "origin").map((part) => `  ${part}: ${internal.inspect(this[part])}`);
      return `URL {\n${shown.join(",\n")}\n}`;
    }
    static {
      PARTS.forEach((part, index) => {
        const accessor = {
          get() {
            return this.#parts[index];
          },
          enumerable: true,
          configurable: true,
        };
        if (part !== "origin") {
          accessor.set = function (value) {
            this.#set(part, value);
          };
        }
        Object.defineProperty(URL.prototype, part, accessor);
      });
    }
  }

  internal.global("URL", URL);
  internal.global("URLSearchParams", URLSearchParams);
})
