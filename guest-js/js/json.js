// JSON of calls: the arguments that go out, the numbers that come back.
//
// `JSON.stringify` loses what it has no word for: a parameter that is `NaN`
// becomes `null`, a `Map` becomes `{}`, and a BigInt is an error that names no
// place. Here each value is sent as it is or refused by its path. Values that
// `JSON.stringify` says completely, as nearly all are, are left to it.
(function (native, internal) {
  "use strict";

  const { parse, stringify } = JSON;
  const { isArray } = Array;
  const { getPrototypeOf, keys } = Object;
  const toStringOf = Object.prototype.toString;
  const ObjectPrototype = Object.prototype;
  const TypedArray = getPrototypeOf(Uint8Array);

  /** Deeper values are refused: servers refuse them too, and the stack ends. */
  const MAX_DEPTH = 500;

  /** Whether `JSON.stringify` says all there is to say. */
  function isPlain(value, depth) {
    switch (typeof value) {
      case "string":
      case "boolean":
      case "undefined":
        return true;
      case "number":
        return value - value === 0;
      case "object":
        break;
      default:
        return false;
    }
    if (value === null) return true;
    if (depth > 100) return false;
    if (isArray(value)) {
      for (let index = 0; index < value.length; index++) if (!isPlain(value[index], depth + 1)) return false;
      return true;
    }
    const parent = getPrototypeOf(value);
    if ((parent !== ObjectPrototype && parent !== null) || "toJSON" in value || native.isProxy(value)) return false;
    for (const key of keys(value)) if (!isPlain(value[key], depth + 1)) return false;
    return true;
  }

  /** Why a value cannot be written, and where it is. */
  class Refused {
    constructor(path, why) {
      this.path = path;
      this.why = why;
    }
  }

  /** Bytes are sent as Base64, as everywhere in the protocol. */
  const base64 = (bytes) => stringify(internal.toText(ArrayBuffer.isView(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new Uint8Array(bytes), "base64"));
  const under = (path, key) => (/^[A-Za-z_$][\w$]*$/.test(key) ? (path ? `${path}.${key}` : key) : `${path}[${stringify(key)}]`);

  /** A value as JSON text; `undefined` for what is left out. */
  function text(value, path, seen) {
    switch (typeof value) {
      case "string":
        return stringify(value);
      case "boolean":
      case "bigint":
        return String(value);
      case "number":
        if (value - value !== 0) throw new Refused(path, `is ${value}, which JSON has no word for`);
        return stringify(value);
      case "undefined":
        return undefined;
      case "object":
        break;
      default:
        throw new Refused(path, `is a ${typeof value}, which JSON has no word for`);
    }
    if (value === null) return "null";
    if (native.promiseState(value)) throw new Refused(path, "is a promise and not a value yet: `await` it first");
    if (seen.includes(value)) throw new Refused(path, "contains itself");
    if (seen.length > MAX_DEPTH) throw new Refused(path, `is nested deeper than ${MAX_DEPTH}`);
    seen.push(value);
    const written = object(value, path, seen);
    seen.pop();
    return written;
  }

  const array = (items, path, seen) => `[${items.map((item, index) => text(item, `${path}[${index}]`, seen) ?? "null").join(",")}]`;

  function object(value, path, seen) {
    if (isArray(value)) return array(Array.from(value), path, seen);
    const tag = toStringOf.call(value).slice(8, -1);
    if (value instanceof Date && Number.isNaN(+value)) throw new Refused(path, "is an invalid date");
    if (value instanceof Uint8Array || value instanceof Uint8ClampedArray || value instanceof ArrayBuffer || value instanceof DataView) return base64(value);
    if (value instanceof TypedArray) return array(Array.from(value), path, seen);
    if (value instanceof Set) return array([...value], path, seen);
    if (value instanceof Map) {
      const entries = [...value].map(([key, item]) => {
        if (key !== null && ["object", "symbol", "function"].includes(typeof key)) throw new Refused(path, `is a Map with a key that is no text: ${internal.inspect(key)}`);
        return [String(key), item];
      });
      return members(entries, path, seen);
    }
    if (typeof value.toJSON === "function") return text(value.toJSON(), path, seen);
    if (["Number", "String", "Boolean", "BigInt"].includes(tag) && value.valueOf() !== value) return text(value.valueOf(), path, seen);
    const names = keys(value);
    const empty = names.length === 0 && !["Object", "Module", "Arguments"].includes(tag);
    if (empty && typeof value[Symbol.iterator] === "function") return array([...value], path, seen);
    if (empty || value instanceof Error || value instanceof RegExp) throw new Refused(path, `is a value of the class \`${value.constructor?.name ?? tag}\`, which JSON has no word for`);
    return members(names.map((name) => [name, value[name]]), path, seen);
  }

  function members(entries, path, seen) {
    const written = [];
    for (const [key, item] of entries) {
      const value = text(item, under(path, key), seen);
      if (value !== undefined) written.push(`${stringify(key)}:${value}`);
    }
    return `{${written.join(",")}}`;
  }

  /** The arguments of a call as JSON text. */
  internal.argumentsText = (values, tool) => {
    if (isPlain(values, 0)) return internal.wellFormed(stringify(values));
    try {
      return internal.wellFormed(text(values, "", []));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const at = tool.indexOf(".");
      const place = error.path === "" ? "the object of arguments" : `\`${error.path}\``;
      throw internal.toolError({
        kind: "invalid_arguments",
        server: at < 0 ? "" : tool.slice(0, at),
        tool: tool.slice(at + 1),
        message: `the arguments of \`${tool}\` cannot be sent: ${place} ${error.why}`,
      });
    }
  };

  /** A value of the program as JSON text, with the digits of its BigInts. */
  internal.exactText = (value) => text(value, "", []);

  /** Reads JSON in which src/json.rs marked the numbers that are no doubles. */
  internal.unmark = (json, mark) =>
    parse(json, (_, value) => {
      if (typeof value !== "string" || !value.startsWith(mark)) return value;
      const number = value.slice(mark.length);
      return /^-?[0-9]+$/.test(number) ? BigInt(number) : Number(number);
    });
})
