// `Buffer`: bytes as programs of Node know them, a `Uint8Array` with texts,
// numbers and comparisons.
(function (native, internal) {
  "use strict";

  const ENCODINGS = "utf8, utf16le, latin1, ascii, base64, base64url and hex";

  function encodingOf(name) {
    if (name === undefined || name === null || name === "buffer") return "utf8";
    const encoding = internal.encoding(name);
    if (encoding === undefined) throw Object.assign(new TypeError(`Unknown encoding: ${name}; there are ${ENCODINGS}`), { code: "ERR_UNKNOWN_ENCODING" });
    return encoding;
  }

  /** The largest buffer that may be asked for; the engine's own limit is lower. */
  const MAX_LENGTH = 2 ** 31 - 1;

  const checkSize = (size) => {
    if (typeof size !== "number") throw Object.assign(new TypeError(`The "size" argument must be of type number. Received ${internal.inspect(size)}`), { code: "ERR_INVALID_ARG_TYPE" });
    if (!(size >= 0 && size <= MAX_LENGTH)) throw Object.assign(new RangeError(`The value of "size" is out of range. Received ${size}`), { code: "ERR_OUT_OF_RANGE" });
  };

  const index = (value, fallback, length) => {
    if (value === undefined) return fallback;
    const number = Math.trunc(Number(value)) || 0;
    return Math.min(Math.max(number < 0 ? number + length : number, 0), length);
  };

  const bytesOf = (value, encoding) => (typeof value === "string" ? internal.toBytes(value, encodingOf(encoding)) : value instanceof ArrayBuffer ? new Uint8Array(value) : value);

  class Buffer extends Uint8Array {
    /** As in Node, where `new Buffer(...)` is an old way to say `from`. */
    static from(value, encoding, length) {
      if (typeof value === "string") return wrap(internal.toBytes(value, encodingOf(encoding)));
      if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return new Buffer(value, encoding, length);
      if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
        const copy = new Buffer(value.length);
        copy.set(value instanceof BigInt64Array || value instanceof BigUint64Array ? Array.from(value, Number) : value);
        return copy;
      }
      if (value !== null && typeof value === "object") {
        if (value.type === "Buffer" && Array.isArray(value.data)) return Buffer.from(value.data);
        if (typeof value.length === "number" || typeof value[Symbol.iterator] === "function") return wrap(Uint8Array.from(value));
        const own = value.valueOf();
        if (own !== value && own !== null && own !== undefined) return Buffer.from(own, encoding, length);
      }
      throw Object.assign(new TypeError(`The first argument must be of type string or an instance of Buffer, ArrayBuffer, or Array or an Array-like Object. Received ${internal.inspect(value)}`), { code: "ERR_INVALID_ARG_TYPE" });
    }
    static of(...items) {
      return wrap(Uint8Array.of(...items));
    }
    static alloc(size, fill, encoding) {
      checkSize(size);
      const made = new Buffer(size);
      return fill === undefined || fill === 0 ? made : made.fill(fill, encoding);
    }
    static allocUnsafe(size) {
      return Buffer.alloc(size);
    }
    static allocUnsafeSlow(size) {
      return Buffer.alloc(size);
    }
    static isBuffer(value) {
      return value instanceof Buffer;
    }
    static isEncoding(name) {
      return typeof name === "string" && internal.encoding(name) !== undefined;
    }
    static byteLength(value, encoding) {
      return typeof value === "string" ? internal.toBytes(value, encodingOf(encoding)).length : value.byteLength;
    }
    static concat(list, length) {
      if (!Array.isArray(list)) throw Object.assign(new TypeError('The "list" argument must be an instance of Array'), { code: "ERR_INVALID_ARG_TYPE" });
      length ??= list.reduce((sum, each) => sum + each.length, 0);
      const joined = Buffer.alloc(length);
      let at = 0;
      for (const each of list) {
        if (at >= length) break;
        joined.set(each.subarray(0, length - at), at);
        at += each.length;
      }
      return joined;
    }
    static compare(one, other) {
      const length = Math.min(one.length, other.length);
      for (let at = 0; at < length; at++) if (one[at] !== other[at]) return one[at] < other[at] ? -1 : 1;
      return Math.sign(one.length - other.length);
    }

    toString(encoding, start, end) {
      const part = this.subarray(start === undefined ? 0 : Math.max(0, Number(start) || 0), end === undefined ? this.length : Math.max(0, Number(end) || 0));
      return internal.toText(new Uint8Array(part.buffer, part.byteOffset, part.length), encodingOf(encoding));
    }
    toLocaleString(encoding, start, end) {
      return this.toString(encoding, start, end);
    }
    toJSON() {
      return { type: "Buffer", data: Array.from(this) };
    }
    equals(other) {
      return Buffer.compare(this, other) === 0;
    }
    compare(other, otherStart, otherEnd, start, end) {
      return Buffer.compare(this.subarray(start ?? 0, end ?? this.length), other.subarray(otherStart ?? 0, otherEnd ?? other.length));
    }
    write(text, offset, length, encoding) {
      if (typeof offset === "string") [offset, length, encoding] = [0, undefined, offset];
      if (typeof length === "string") [length, encoding] = [undefined, length];
      offset ??= 0;
      const bytes = internal.toBytes(String(text), encodingOf(encoding)).subarray(0, Math.min(length ?? Infinity, this.length - offset));
      this.set(bytes, offset);
      return bytes.length;
    }
    copy(target, targetStart = 0, start = 0, end = this.length) {
      const part = this.subarray(start, Math.min(end, start + target.length - targetStart));
      target.set(part, targetStart);
      return part.length;
    }
    fill(value, start, end, encoding) {
      if (typeof start === "string") [start, encoding] = [undefined, start];
      if (typeof value !== "string" && !(value instanceof Uint8Array)) return super.fill(Number(value) & 255, start, end);
      const bytes = bytesOf(value, encoding);
      const last = end ?? this.length;
      for (let at = start ?? 0, from = 0; at < last && bytes.length; at++, from = (from + 1) % bytes.length) this[at] = bytes[from];
      return this;
    }
    slice(start, end) {
      return this.subarray(index(start, 0, this.length), index(end, this.length, this.length));
    }
    indexOf(value, from, encoding) {
      if (typeof from === "string") [from, encoding] = [0, from];
      if (typeof value === "number") return super.indexOf(value & 255, from);
      const bytes = bytesOf(value, encoding);
      for (let at = index(from, 0, this.length); at + bytes.length <= this.length; at++) {
        let same = 0;
        while (same < bytes.length && this[at + same] === bytes[same]) same++;
        if (same === bytes.length) return at;
      }
      return -1;
    }
    lastIndexOf(value, from, encoding) {
      if (typeof value === "number") return from === undefined ? super.lastIndexOf(value & 255) : super.lastIndexOf(value & 255, from);
      const bytes = bytesOf(value, encoding);
      for (let at = Math.min(index(from, this.length, this.length), this.length - bytes.length); at >= 0; at--) {
        if (bytes.every((byte, offset) => this[at + offset] === byte)) return at;
      }
      return -1;
    }
    includes(value, from, encoding) {
      return this.indexOf(value, from, encoding) >= 0;
    }
    get parent() {
      return this.buffer;
    }
    get offset() {
      return this.byteOffset;
    }
    #swap(size) {
      if (this.length % size) throw Object.assign(new RangeError(`Buffer size must be a multiple of ${size * 8}-bits`), { code: "ERR_INVALID_BUFFER_SIZE" });
      for (let at = 0; at < this.length; at += size) this.subarray(at, at + size).reverse();
      return this;
    }
    swap16() {
      return this.#swap(2);
    }
    swap32() {
      return this.#swap(4);
    }
    swap64() {
      return this.#swap(8);
    }
    [internal.CUSTOM]() {
      const shown = Array.from(this.subarray(0, 50), (byte) => byte.toString(16).padStart(2, "0"));
      const rest = this.length - 50;
      if (rest > 0) shown.push(`... ${rest} more byte${rest === 1 ? "" : "s"}`);
      return `<Buffer${shown.length ? " " : ""}${shown.join(" ")}>`;
    }
  }

  const wrap = (bytes) => new Buffer(bytes.buffer, bytes.byteOffset, bytes.length);

  // ---- numbers in bytes

  const view = (buffer) => new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
  const define = (names, value) => {
    for (const name of names) Object.defineProperty(Buffer.prototype, name, { value: { [name]: value }[name], configurable: true, writable: true });
  };
  const outside = (buffer, offset, size) => {
    if (!Number.isInteger(offset) || offset < 0 || offset + size > buffer.length) {
      throw Object.assign(new RangeError(`The value of "offset" is out of range. It must be >= 0 and <= ${buffer.length - size}. Received ${offset}`), { code: "ERR_OUT_OF_RANGE" });
    }
  };
  for (const [name, method, size] of [
    ["UInt8", "Uint8", 1],
    ["Int8", "Int8", 1],
    ["UInt16", "Uint16", 2],
    ["Int16", "Int16", 2],
    ["UInt32", "Uint32", 4],
    ["Int32", "Int32", 4],
    ["Float", "Float32", 4],
    ["Double", "Float64", 8],
    ["BigUInt64", "BigUint64", 8],
    ["BigInt64", "BigInt64", 8],
  ]) {
    for (const order of size === 1 ? [""] : ["LE", "BE"]) {
      const names = (verb) => [`${verb}${name}${order}`, ...(name.includes("UInt") ? [`${verb}${name.replace("UInt", "Uint")}${order}`] : [])];
      define(names("read"), function (offset = 0) {
        outside(this, offset, size);
        return view(this)[`get${method}`](offset, order === "LE");
      });
      define(names("write"), function (value, offset = 0) {
        outside(this, offset, size);
        if (/^(?:U?Int)/.test(name)) {
          const bits = 8 * size;
          const [least, most] = name.startsWith("U") ? [0, 2 ** bits - 1] : [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1];
          if (value < least || value > most) throw Object.assign(new RangeError(`The value of "value" is out of range. It must be >= ${least} and <= ${most}. Received ${value}`), { code: "ERR_OUT_OF_RANGE" });
        }
        view(this)[`set${method}`](offset, value, order === "LE");
        return offset + size;
      });
    }
  }
  for (const order of ["LE", "BE"]) {
    for (const signed of [true, false]) {
      const name = signed ? "Int" : "UInt";
      const bytes = (buffer, offset, length) => {
        outside(buffer, offset, length);
        const part = Array.from(buffer.subarray(offset, offset + length));
        return order === "LE" ? part.reverse() : part;
      };
      define([`read${name}${order}`, ...(signed ? [] : [`readUint${order}`])], function (offset, length) {
        const number = bytes(this, offset, length).reduce((sum, byte) => sum * 256 + byte, 0);
        return signed && number >= 2 ** (8 * length - 1) ? number - 2 ** (8 * length) : number;
      });
      define([`write${name}${order}`, ...(signed ? [] : [`writeUint${order}`])], function (value, offset, length) {
        outside(this, offset, length);
        let number = value < 0 ? value + 2 ** (8 * length) : value;
        for (let at = 0; at < length; at++) {
          this[order === "LE" ? offset + at : offset + length - 1 - at] = number % 256;
          number = Math.floor(number / 256);
        }
        return offset + length;
      });
    }
  }

  // `Buffer(...)` without `new`, as old packages have it.
  const callable = new Proxy(Buffer, {
    apply: (_, __, [value, encoding, length]) => (typeof value === "number" ? Buffer.alloc(value) : Buffer.from(value, encoding, length)),
    construct: (_, values, target) => (typeof values[0] === "string" || Array.isArray(values[0]) ? Buffer.from(...values) : Reflect.construct(Buffer, values, target === callable ? Buffer : target)),
  });
  Object.defineProperty(Buffer.prototype, "constructor", { value: callable, configurable: true, writable: true });
  Object.defineProperty(Buffer, Symbol.species, { get: () => Buffer });
  Buffer.poolSize = 8192;

  internal.buffer = wrap;
  internal.Buffer = callable;
  internal.global("Buffer", callable);
})
