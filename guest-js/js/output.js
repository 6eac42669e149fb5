// `emit`: content blocks beside what is printed. What kind of block it becomes
// is the host's to say, from the bytes.
(function (native, internal) {
  "use strict";

  const OPTIONS = ["mimeType", "mime", "name"];

  const bytesOf = (value) => {
    if (value instanceof ArrayBuffer) return value;
    if (ArrayBuffer.isView(value)) return value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength);
    return null;
  };

  /** `{ path, mimeType, name }` and nothing else: a file, not a value. */
  const isFile = (value) =>
    value !== null && typeof value === "object" && typeof value.path === "string" && Object.keys(value).every((key) => key === "path" || OPTIONS.includes(key));

  /**
   * Shows a content block to whoever asked for the run: `emit("text")`,
   * `emit(png)`, `emit(bytes, { mimeType: "application/pdf" })`,
   * `emit({ path: "chart.svg" })`, and `emit({...})` for JSON. Images and
   * sounds are told by their bytes; a file by the ending of its name.
   */
  function emit(value, options = {}) {
    if (typeof options === "string") options = { mimeType: options };
    if (isFile(value)) {
      const { fs, path } = internal.builtins;
      options = { name: path.resolve(value.path), ...value, ...options };
      value = fs.readFileSync(value.path);
    }
    for (const key of Object.keys(options ?? {})) {
      if (!OPTIONS.includes(key) && key !== "path") throw new TypeError(`emit has no option \`${key}\`: there are \`mimeType\` and \`name\``);
    }
    const mimeType = options?.mimeType ?? options?.mime ?? null;
    const name = options?.name ?? null;
    let content = bytesOf(value);
    if (content === null) {
      const text = typeof value === "string" ? value : internal.wellFormed(json(value));
      if (mimeType === null && name === null) return check(native.emitText(text));
      content = native.encode(text);
    }
    check(native.emitData(content, mimeType, name));
  }

  function json(value) {
    if (value === undefined || value === null) throw new TypeError(`there is nothing to emit: the value is ${value}`);
    if (native.promiseState(value)) throw new TypeError("a promise is not a value yet: write `emit(await ...)`");
    const text = JSON.stringify(value);
    if (typeof text !== "string") throw new TypeError(`emit takes a text, bytes, \`{ path }\`, or what JSON can express, not ${internal.inspect(value)}`);
    return text;
  }

  const check = (refusal) => {
    if (typeof refusal === "string") throw new TypeError(refusal);
  };

  internal.serverFunctions.emit = emit;
  internal.global("emit", emit);
})
