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
  const WIDTH = 80;

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

  /** A text in quotes; a long one in its lines. */
  function shorten(text, indent) {
    const rest = text.length - STRING;
    if (rest > 0) text = text.slice(0, STRING);
    let shown;
    if (text.length > 16 && text.length > WIDTH - indent - 4) {
      shown = text.split(/(?<=\n)/).map(quote).join(` +\n${" ".repeat(indent + 2)}`);
    } else {
      shown = quote(text);
    }
    return rest > 0 ? `${shown}... ${rest} more character${rest === 1 ? "" : "s"}` : shown;
  }

  function primitive(value, indent = 0) {
    switch (typeof value) {
      case "string":
        return shorten(value, indent);
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

  /** Whether items fit on one line with what is around them. */
  function fits(items, start, base) {
    let length = items.length + start;
    if (length + items.length > WIDTH) return false;
    for (const item of items) {
      length += item.length;
      if (length > WIDTH) return false;
    }
    return base === "" || !base.includes("\n");
  }

  /** Short items of an array in columns, as Node has them. */
  function columns(items, value, indent) {
    const more = value.length > ENTRIES ? 1 : 0;
    const count = items.length - more;
    let total = 0;
    let longest = 0;
    for (let index = 0; index < count; index++) {
      total += items[index].length + 2;
      longest = Math.max(longest, items[index].length);
    }
    const widest = longest + 2;
    if (widest * 3 + indent >= WIDTH || !(total / widest > 5 || longest <= 6)) return items;
    const biased = Math.max(widest - 3 - Math.sqrt(widest - total / items.length), 1);
    const width = Math.min(
      Math.round(Math.sqrt(2.5 * biased * count) / biased),
      Math.floor((WIDTH - indent) / widest),
      12,
    );
    if (width <= 1) return items;
    const widths = [];
    for (let column = 0; column < width; column++) {
      let length = 0;
      for (let index = column; index < count; index += width) length = Math.max(length, items[index].length);
      widths.push(length + 2);
    }
    const numbers = value.every?.((item) => typeof item === "number" || typeof item === "bigint");
    const rows = [];
    for (let start = 0; start < count; start += width) {
      const end = Math.min(start + width, count);
      let row = "";
      for (let index = start; index < end - 1; index++) {
        const cell = `${items[index]}, `;
        row += numbers ? cell.padStart(widths[index - start]) : cell.padEnd(widths[index - start]);
      }
      row += numbers ? items[end - 1].padStart(widths[end - 1 - start] - 2) : items[end - 1];
      rows.push(row);
    }
    if (more) rows.push(items[count]);
    return rows;
  }

  function propertyKey(key) {
    if (typeof key === "symbol") return `[${key.toString()}]`;
    return IDENTIFIER.test(key) ? key : quote(key);
  }

  /** One inspection: what was seen, where it is, how much room is left. */
  class Inspection {
    constructor(depth) {
      this.depth = depth;
      this.room = TOTAL;
      this.path = [];
      this.circular = new Map();
      /** The column that nested lines are indented to. */
      this.indent = 0;
      /** The depth of the object that was entered last. */
      this.deepest = 0;
    }

    value(value, depth) {
      if (value === null || (typeof value !== "object" && typeof value !== "function")) {
        const text = primitive(value, this.indent);
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
        this.room -= Math.min(text.length, WIDTH);
        return this.circular.has(value) ? `<ref *${this.circular.get(value)}> ${text}` : text;
      } finally {
        this.path.pop();
      }
    }

    /** A value inside of another one. */
    inner(value, depth) {
      this.indent += 2;
      try {
        return this.value(value, depth + 1);
      } finally {
        this.indent -= 2;
      }
    }

    object(value, depth) {
      if (native.isProxy(value)) {
        const label = internal.proxyLabel?.(value);
        return label ?? this.value(native.proxyTarget(value), depth);
      }
      const custom = value[CUSTOM];
      if (typeof custom === "function") {
        const shown = custom.call(value, this.depth - depth, {}, inspect);
        return typeof shown === "string" ? shown.replaceAll("\n", "\n" + " ".repeat(this.indent)) : this.value(shown, depth);
      }
      this.deepest = depth;
      if (value instanceof Error) return this.error(value, depth);
      const tag = tagOf(value);
      if (typeof value === "function") return this.braces(functionLabel(value), "{", this.properties(value, depth), "}", depth, true);
      if (tag === "Date") return this.braces(Number.isNaN(+value) ? "Invalid Date" : value.toISOString(), "{", this.properties(value, depth), "}", depth, true);
      if (tag === "RegExp") return this.braces(RegExp.prototype.toString.call(value), "{", this.properties(value, depth), "}", depth, true);
      if (tag === "String" || tag === "Number" || tag === "Boolean" || tag === "Symbol" || tag === "BigInt") {
        try {
          return `[${tag}: ${primitive(value.valueOf())}]`;
        } catch {
          // An object that only claims the tag.
        }
      }
      const name = constructorName(value);
      if (depth > this.depth) return Array.isArray(value) ? "[Array]" : `[${name ?? "Object: null prototype"}]`;
      if (Array.isArray(value)) return this.array(value, name, depth);
      if (value instanceof Promise) {
        const [state, result] = native.promiseState(value);
        const shown = state === "pending" ? "<pending>" : this.inner(result, depth);
        return this.braces("", "Promise {", [state === "rejected" ? `<rejected> ${shown}` : shown], "}", depth);
      }
      if (value instanceof WeakMap || value instanceof WeakSet) return `${name} { <items unknown> }`;
      if (value instanceof TypedArray) {
        const items = Array.prototype.slice.call(value, 0, ENTRIES).map((item) => primitive(item));
        return this.braces("", `${name}(${value.length}) [`, this.more(items, value.length), "]", depth, false, value);
      }
      if (value instanceof ArrayBuffer || value instanceof DataView) return `${name} { byteLength: ${value.byteLength} }`;
      if (value instanceof Map && tag === "Map") {
        const items = [];
        for (const [key, item] of Map.prototype.entries.call(value)) {
          if (items.length >= ENTRIES) break;
          items.push(`${this.inner(key, depth)} => ${this.inner(item, depth)}`);
        }
        return this.braces("", `${name}(${value.size}) {`, this.more(items, value.size).concat(this.properties(value, depth)), "}", depth);
      }
      if (value instanceof Set && tag === "Set") {
        const items = [];
        for (const item of Set.prototype.values.call(value)) {
          if (items.length >= ENTRIES) break;
          items.push(this.inner(item, depth));
        }
        return this.braces("", `${name}(${value.size}) {`, this.more(items, value.size).concat(this.properties(value, depth)), "}", depth);
      }
      const prefix = name === null ? "[Object: null prototype] " : name === "Object" ? "" : `${name} `;
      const label = tag === "Object" || tag === name ? prefix : `${name ?? "Object"} [${tag}] `;
      return this.braces("", `${label}{`, this.properties(value, depth), "}", depth);
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
      const rest = value.length - index;
      if (rest > 0) items.push(`... ${rest} more item${rest === 1 ? "" : "s"}`);
      const extra = this.properties(value, depth, (key) => typeof key === "symbol" || !/^\d+$/.test(key));
      const prefix = name === "Array" ? "" : `${name ?? "[Array: null prototype]"}(${value.length}) `;
      return this.braces("", `${prefix}[`, items.concat(extra), "]", depth, false, value);
    }

    error(error, depth) {
      let text = internal.headline(error);
      const name = constructorName(error);
      if (name && name !== "Error" && !text.includes(name)) text = `${name} [${text}]`;
      // The frames of the error that was asked for are of interest; those of
      // errors inside of it would bury it.
      if (depth > 0) text = `[${text}]`;
      else text += internal.frames(error);
      const known = new Set(["stack", "message", "name", "cause", "errors"]);
      const items = this.properties(error, depth, (key) => !known.has(key));
      for (const key of ["cause", "errors"]) {
        const found = getOwnPropertyDescriptor(error, key);
        if (found && "value" in found) items.push(`[${key}]: ${this.inner(found.value, depth)}`);
      }
      return this.braces(text, "{", items, "}", depth, true);
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
      if ("value" in found) return this.inner(found.value, depth);
      if (found.get) return found.set ? "[Getter/Setter]" : "[Getter]";
      return "[Setter]";
    }

    more(items, size) {
      const rest = size - items.length;
      if (rest > 0) items.push(`... ${rest} more item${rest === 1 ? "" : "s"}`);
      return items;
    }

    /**
     * Items between braces, behind `base`: on one line where they fit and no
     * more than three levels are in them. `array` has the values of columns.
     */
    braces(base, open, items, close, depth, quiet = false, array = null) {
      if (items.length === 0) return quiet ? base : open + close;
      const count = items.length;
      if (array !== null && count > 6) items = columns(items, array, this.indent);
      const before = base === "" ? "" : `${base} `;
      if (this.deepest - depth < 3 && count === items.length) {
        const start = items.length + this.indent + open.length + base.length + 10;
        if (fits(items, start, base)) {
          const line = items.join(", ");
          if (!line.includes("\n")) return `${before}${open} ${line} ${close}`;
        }
      }
      const gap = "\n" + " ".repeat(this.indent);
      return `${before}${open}${gap}  ${items.join(`,${gap}  `)}${gap}${close}`;
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
