// Bytes and copies: TextEncoder, TextDecoder, crypto, structuredClone.
(function (native, internal) {
  "use strict";

  const TypedArray = Object.getPrototypeOf(Uint8Array);

  /** The bytes behind a buffer or a view, without a copy. */
  function bytesOf(source) {
    if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
    if (source instanceof ArrayBuffer || (globalThis.SharedArrayBuffer && source instanceof SharedArrayBuffer)) return new Uint8Array(source);
    throw new TypeError(`expected an ArrayBuffer or a view of one, not ${internal.inspect(source)}`);
  }

  class TextEncoder {
    get encoding() {
      return "utf-8";
    }
    encode(text = "") {
      return new Uint8Array(native.encode(String(text)));
    }
    encodeInto(text, target) {
      text = String(text);
      let read = 0;
      let written = 0;
      for (const character of text) {
        const bytes = new Uint8Array(native.encode(character));
        if (written + bytes.length > target.length) break;
        target.set(bytes, written);
        written += bytes.length;
        read += character.length;
      }
      return { read, written };
    }
  }

  const ENCODINGS = {
    "utf-8": "utf-8", utf8: "utf-8", "unicode-1-1-utf-8": "utf-8",
    "utf-16le": "utf-16le", "utf-16": "utf-16le", "ucs-2": "utf-16le",
    latin1: "windows-1252", "iso-8859-1": "windows-1252", ascii: "windows-1252", "us-ascii": "windows-1252", "windows-1252": "windows-1252",
  };
  const WINDOWS = "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ";

  class TextDecoder {
    #encoding;
    #fatal;
    #keepMark;
    #rest = new Uint8Array(0);
    #begun = false;
    constructor(label = "utf-8", options) {
      this.#encoding = ENCODINGS[String(label).trim().toLowerCase()];
      if (!this.#encoding) throw new RangeError(`the encoding \`${label}\` is not supported; there are utf-8, utf-16le and latin1`);
      this.#fatal = Boolean(options?.fatal);
      this.#keepMark = Boolean(options?.ignoreBOM);
    }
    get encoding() {
      return this.#encoding;
    }
    get fatal() {
      return this.#fatal;
    }
    get ignoreBOM() {
      return this.#keepMark;
    }
    decode(source = new Uint8Array(0), options) {
      let bytes = bytesOf(source);
      if (this.#rest.length) {
        const joined = new Uint8Array(this.#rest.length + bytes.length);
        joined.set(this.#rest);
        joined.set(bytes, this.#rest.length);
        bytes = joined;
      }
      const more = Boolean(options?.stream);
      const kept = more ? this.#incomplete(bytes) : 0;
      this.#rest = bytes.slice(bytes.length - kept);
      let text = this.#text(bytes.subarray(0, bytes.length - kept));
      if (!this.#begun && !this.#keepMark && text.startsWith("\ufeff")) text = text.slice(1);
      this.#begun = more && (this.#begun || text.length > 0);
      return text;
    }
    /** How many bytes at the end belong to a character that is not complete. */
    #incomplete(bytes) {
      if (this.#encoding === "windows-1252") return 0;
      if (this.#encoding === "utf-16le") return bytes.length % 2;
      for (let back = 1; back <= Math.min(3, bytes.length); back++) {
        const byte = bytes[bytes.length - back];
        if (byte < 0x80) return 0;
        if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0;
      }
      return 0;
    }
    #text(bytes) {
      if (this.#encoding === "utf-8") {
        const text = native.decode(bytes.buffer, bytes.byteOffset, bytes.byteLength, this.#fatal);
        if (text === null) throw new TypeError("the bytes are not valid utf-8");
        return text;
      }
      let text = "";
      if (this.#encoding === "utf-16le") {
        for (let at = 0; at + 1 < bytes.length; at += 2) text += String.fromCharCode(bytes[at] | (bytes[at + 1] << 8));
        return bytes.length % 2 ? text + "\ufffd" : text;
      }
      for (const byte of bytes) text += byte >= 0x80 && byte < 0xa0 ? WINDOWS[byte - 0x80] : String.fromCharCode(byte);
      return text;
    }
  }

  const QUOTA = 65_536;

  const crypto = {
    getRandomValues(array) {
      if (!(array instanceof TypedArray) || array instanceof Float32Array || array instanceof Float64Array) {
        throw new TypeError("crypto.getRandomValues takes an array of integers, for example `new Uint8Array(16)`");
      }
      if (array.byteLength > QUOTA) throw new DOMException(`more than ${QUOTA} random bytes at once`, "QuotaExceededError");
      bytesOf(array).set(new Uint8Array(native.random(array.byteLength)));
      return array;
    },
    randomUUID() {
      const bytes = new Uint8Array(native.random(16));
      bytes[6] = (bytes[6] & 0x0f) | 0x40;
      bytes[8] = (bytes[8] & 0x3f) | 0x80;
      const hex = bytes.toHex?.() ?? Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
    },
  };
  function structuredClone(value, options) {
    const seen = new Map();
    const refuse = (what) => {
      throw new DOMException(`${what} could not be cloned`, "DataCloneError");
    };
    function clone(value) {
      if (typeof value === "function" || typeof value === "symbol") refuse(internal.inspect(value));
      if (value === null || typeof value !== "object") return value;
      if (seen.has(value)) return seen.get(value);
      const keep = (copy) => (seen.set(value, copy), copy);
      const properties = (copy) => {
        for (const key of Object.keys(value)) copy[key] = clone(value[key]);
        return copy;
      };
      if (native.isProxy(value)) refuse("a Proxy");
      if (Array.isArray(value)) {
        const copy = keep([]);
        copy.length = value.length;
        return properties(copy);
      }
      if (value instanceof Date) return keep(new Date(value.getTime()));
      if (value instanceof RegExp) return keep(new RegExp(value.source, value.flags));
      if (value instanceof Map) {
        const copy = keep(new Map());
        for (const [key, item] of [...value]) copy.set(clone(key), clone(item));
        return copy;
      }
      if (value instanceof Set) {
        const copy = keep(new Set());
        for (const item of [...value]) copy.add(clone(item));
        return copy;
      }
      if (value instanceof ArrayBuffer) return keep(value.slice(0));
      if (ArrayBuffer.isView(value)) {
        const buffer = clone(value.buffer);
        return keep(value instanceof DataView ? new DataView(buffer, value.byteOffset, value.byteLength) : new value.constructor(buffer, value.byteOffset, value.length));
      }
      if (value instanceof Error) {
        const types = { EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };
        const copy = keep(new (types[value.name] ?? Error)(value.message));
        if (Object.hasOwn(value, "cause")) copy.cause = clone(value.cause);
        copy.stack = value.stack;
        return copy;
      }
      if (value instanceof Boolean || value instanceof Number || value instanceof String || value instanceof BigInt) return keep(Object(value.valueOf()));
      if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet || value instanceof WeakRef) refuse(internal.inspect(value));
      return properties(keep({}));
    }
    const copy = clone(value);
    for (const item of options?.transfer ?? []) if (item instanceof ArrayBuffer) item.transfer?.();
    return copy;
  }

  internal.global("TextEncoder", TextEncoder);
  internal.global("TextDecoder", TextDecoder);
  internal.global("crypto", crypto);
  internal.global("structuredClone", structuredClone);

  // The engine's own generator was seeded before the snapshot, the same for
  // every session.
  Object.defineProperty(Math, "random", { value: { random: () => native.randomNumber() }.random, configurable: true, writable: true });
  // Nor may a clock be read before it.
  internal.global("performance", {
    now: () => native.now(),
    get timeOrigin() {
      return native.timeOrigin();
    },
    toJSON() {
      return { timeOrigin: this.timeOrigin };
    },
  });
})
