// Values as people read them: the text of `console.log`, close to Node's.
//
// Everything is bounded (depth, entries, characters), and nothing here runs
// getters of the program: an accessor is shown as one.
(function (native, internal) {
  "use strict";

  const DEPTH = 4;
  const ENTRIES = 100;
  const STRING = 10_000;
  const TOTAL = 1_000_000;
  const WIDTH = 76;

  const { getOwnPropertyDescriptor, getOwnPropertySymbols, getPrototypeOf, keys } = Object;
  const tagOf = (value) => Object.prototype.toString.call(value).slice(8, -1);
  const TypedArray = getPrototypeOf(Uint8Array);
  const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;
  const CUSTOM = Symbol.for("nodejs.util.inspect.custom");

  function quote(text) {
    const mark = !text.includes("'") ? "'" : !text.includes('"') ? '"' : "`";
    let body = "";
    for (const character of text) {
      const code = character.codePointAt(0);
      if (character === mark || character === "\\") body += "\\" + character;
      else if (character === "\n") body += "\\n";
      else if (character === "\r") body += "\\r";
      else if (character === "\t") body += "\\t";
      else if (code < 32 || code === 127) body += "\\x" + code.toString(16).padStart(2, "0").toUpperCase();
      else body += character;
    }
    return mark + body + mark;
  }

  function shorten(text) {
    if (text.length <= STRING) return quote(text);
    return `${quote(text.slice(0, STRING))}... ${text.length - STRING} more characters`;
  }

  function primitive(value) {
    switch (typeof value) {
      case "string":
        return shorten(value);
      case "number":
        return Object.is(value, -0) ? "-0" : String(value);
      case "bigint":
        return `${value}n`;
      case "symbol":
        return value.toString();
      default:
        return String(value);
    }
  }

  function constructorName(value) {
    for (let object = value, steps = 0; object && steps < 50; object = getPrototypeOf(object), steps++) {
      const found = getOwnPropertyDescriptor(object, "constructor");
      if (found && typeof found.value === "function" && found.value.name) return found.value.name;
    }
    return null;
  }

  function functionLabel(value) {
    const source = Function.prototype.toString.call(value);
    const name = getOwnPropertyDescriptor(value, "name")?.value;
    if (source.startsWith("class")) {
      const parent = getPrototypeOf(value)?.name;
      return `[class ${name || "(anonymous)"}${parent ? ` extends ${parent}` : ""}]`;
    }
    const kind = tagOf(value) === "Object" ? "Function" : tagOf(value);
    return `[${kind}${name ? `: ${String(name)}` : " (anonymous)"}]`;
  }

  function propertyKey(key) {
    if (typeof key === "symbol") return `[${key.toString()}]`;
    return IDENTIFIER.test(key) ? key : quote(key);
  }

  /** One inspection: what was seen, how much room is left. */
  class Inspection {
    constructor(depth) {
      this.depth = depth;
      this.room = TOTAL;
      this.path = [];
      this.circular = new Map();
    }

    value(value, depth) {
      if (value === null || (typeof value !== "object" && typeof value !== "function")) {
        const text = primitive(value);
        this.room -= text.length;
        return text;
      }
      if (this.path.includes(value)) {
        if (!this.circular.has(value)) this.circular.set(value, this.circular.size + 1);
        return `[Circular *${this.circular.get(value)}]`;
      }
      if (this.room <= 0) return "...";
      this.path.push(value);
      try {
        const text = this.object(value, depth);
        this.room -= Math.min(text.length, 80);
        return this.circular.has(value) ? `<ref *${this.circular.get(value)}> ${text}` : text;
      } finally {
        this.path.pop();
      }
    }

    object(value, depth) {
      if (native.isProxy(value)) return internal.proxyLabel?.(value) ?? "[Proxy]";
      const custom = typeof value[CUSTOM] === "function" ? value[CUSTOM] : null;
      if (custom) {
        const shown = custom.call(value, depth, {}, inspect);
        return typeof shown === "string" ? shown : this.value(shown, depth);
      }
      if (value instanceof Error) return this.error(value, depth);
      const tag = tagOf(value);
      const name = constructorName(value);
      if (typeof value === "function") return this.withProperties(functionLabel(value), value, depth, true);
      if (value instanceof Date && tag === "Date") {
        return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
      }
      if (value instanceof RegExp && tag === "RegExp") return String(value);
      if (tag === "String" || tag === "Number" || tag === "Boolean" || tag === "Symbol" || tag === "BigInt") {
        try {
          return `[${tag}: ${primitive(value.valueOf())}]`;
        } catch {
          // An object that only claims the tag.
        }
      }
      if (value instanceof Promise) {
        const [state, result] = native.promiseState(value);
        if (state === "pending") return "Promise { <pending> }";
        const shown = this.value(result, depth + 1);
        return state === "rejected" ? `Promise { <rejected> ${shown} }` : `Promise { ${shown} }`;
      }
      if (value instanceof WeakMap || value instanceof WeakSet) return `${name} { <items unknown> }`;

      const prefix = name === null ? `[${tag === "Object" ? "Object" : tag}: null prototype] ` : `${name} `;
      if (depth > this.depth) return Array.isArray(value) ? "[Array]" : `[${name ?? "Object"}]`;
      if (Array.isArray(value)) return this.array(value, name, depth);
      if (value instanceof TypedArray) {
        const items = Array.prototype.slice.call(value, 0, ENTRIES).map((item) => primitive(item));
        return this.join(`${name}(${value.length}) [`, this.more(items, value.length), "]", true);
      }
      if (value instanceof ArrayBuffer) return `ArrayBuffer { byteLength: ${value.byteLength} }`;
      if (value instanceof DataView) return `DataView { byteLength: ${value.byteLength} }`;
      if (value instanceof Map && tag === "Map") {
        const items = [];
        for (const [key, item] of Map.prototype.entries.call(value)) {
          if (items.length >= ENTRIES) break;
          items.push(`${this.value(key, depth + 1)} => ${this.value(item, depth + 1)}`);
        }
        return this.join(`${name}(${value.size}) {`, this.more(items, value.size), "}");
      }
      if (value instanceof Set && tag === "Set") {
        const items = [];
        for (const item of Set.prototype.values.call(value)) {
          if (items.length >= ENTRIES) break;
          items.push(this.value(item, depth + 1));
        }
        return this.join(`${name}(${value.size}) {`, this.more(items, value.size), "}");
      }
      const label = tag !== "Object" && tag !== name ? `${prefix}[${tag}] ` : prefix === "Object " ? "" : prefix;
      return this.join(`${label}{`, this.properties(value, depth), "}");
    }

    array(value, name, depth) {
      const items = [];
      let index = 0;
      for (; index < value.length && items.length < ENTRIES; index++) {
        const found = getOwnPropertyDescriptor(value, index);
        if (found) {
          items.push(this.descriptor(found, depth));
          continue;
        }
        let holes = 1;
        while (index + 1 < value.length && !(index + 1 in value) && holes < 1e6) index++, holes++;
        items.push(`<${holes} empty item${holes === 1 ? "" : "s"}>`);
      }
      if (index < value.length) {
        const rest = value.length - index;
        items.push(`... ${rest} more item${rest === 1 ? "" : "s"}`);
      }
      const simple = value.length > 6 && items.every((item) => item.length <= 12 && !item.includes("\n"));
      const extra = this.properties(value, depth, (key) => typeof key === "symbol" || !/^\d+$/.test(key));
      const prefix = name === "Array" ? "" : `${name}(${value.length}) `;
      return this.join(`${prefix}[`, items.concat(extra), "]", simple);
    }

    error(error, depth) {
      let text = internal.headline(error);
      const name = constructorName(error);
      if (name && name !== "Error" && !text.includes(name)) text = `${name} [${text}]`;
      text += depth === 0 ? internal.frames(error) : "";
      if (depth > 0 && !this.path.slice(0, -1).some((other) => other instanceof Error)) text = `[${text}]`;
      const known = new Set(["stack", "message", "name", "cause", "errors"]);
      const items = this.properties(error, depth, (key) => !known.has(key));
      for (const key of ["cause", "errors"]) {
        const found = getOwnPropertyDescriptor(error, key);
        if (found && "value" in found) items.push(`[${key}]: ${this.value(found.value, depth + 1)}`);
      }
      return items.length ? this.join(`${text} {`, items, "}") : text;
    }

    properties(value, depth, wanted = () => true) {
      const items = [];
      const names = keys(value);
      const symbols = getOwnPropertySymbols(value).filter((key) => getOwnPropertyDescriptor(value, key)?.enumerable);
      let left = names.length + symbols.length;
      for (const key of names.concat(symbols)) {
        if (items.length >= ENTRIES) {
          items.push(`... ${left} more`);
          break;
        }
        left--;
        if (!wanted(key)) continue;
        const found = getOwnPropertyDescriptor(value, key);
        if (found) items.push(`${propertyKey(key)}: ${this.descriptor(found, depth)}`);
      }
      return items;
    }

    descriptor(found, depth) {
      if ("value" in found) return this.value(found.value, depth + 1);
      if (found.get) return found.set ? "[Getter/Setter]" : "[Getter]";
      return "[Setter]";
    }

    withProperties(label, value, depth, quiet) {
      const items = depth > this.depth ? [] : this.properties(value, depth);
      return items.length ? this.join(`${label} {`, items, "}") : quiet ? label : `${label} {}`;
    }

    more(items, size) {
      const rest = size - items.length;
      if (rest > 0) items.push(`... ${rest} more item${rest === 1 ? "" : "s"}`);
      return items;
    }

    /** On one line where it fits, several short items a line if `compact`. */
    join(open, items, close, compact = false) {
      if (items.length === 0) return open + close;
      const length = items.reduce((sum, item) => sum + item.length + 2, open.length + 2);
      if (length <= WIDTH && !items.some((item) => item.includes("\n"))) {
        return `${open} ${items.join(", ")} ${close}`;
      }
      const indent = "  ";
      const lines = [];
      if (compact) {
        const width = Math.max(...items.map((item) => item.length)) + 2;
        const columns = Math.max(1, Math.min(16, Math.floor(WIDTH / width)));
        for (let start = 0; start < items.length; start += columns) {
          lines.push(items.slice(start, start + columns).join(", "));
        }
      } else {
        for (const item of items) lines.push(item.replaceAll("\n", "\n" + indent));
      }
      return `${open}\n${indent}${lines.join(",\n" + indent)}\n${close}`;
    }
  }

  function inspect(value, options) {
    try {
      return new Inspection(options?.depth ?? DEPTH).value(value, 0);
    } catch (error) {
      return `[${typeof value} that cannot be shown: ${internal.headline(error)}]`;
    }
  }

  internal.inspect = inspect;
  internal.CUSTOM = CUSTOM;
})
