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

  const BLOCKS = {
    text: (block) => typeof block.text === "string",
    image: (block) => typeof block.data === "string",
    audio: (block) => typeof block.data === "string",
    resource: ({ resource }) => resource !== null && typeof resource === "object" && [resource.text, resource.blob].some((part) => typeof part === "string"),
  };

  /** A content block as tools return it: `{ type: "image", data, mimeType }`. */
  const isBlock = (value) =>
    value !== null && typeof value === "object" && typeof value.type === "string" && Object.hasOwn(BLOCKS, value.type) && BLOCKS[value.type](value);

  /** Shows a block of a tool as the block it is. */
  function emitBlock(block, options) {
    if (block.type === "text") return emit(block.text, options);
    const { text, blob = block.data, mimeType = block.mimeType, uri } = block.resource ?? {};
    const name = typeof uri === "string" ? uri.split(/[?#]/, 1)[0].split("/").pop() : "";
    const known = { ...(mimeType ? { mimeType } : {}), ...(name ? { name } : {}) };
    emit(typeof text === "string" ? new TextEncoder().encode(text) : internal.toBytes(blob, "base64"), { ...known, ...options });
  }

  /**
   * Shows a content block to whoever asked for the run: `emit("text")`,
   * `emit(png)`, `emit(bytes, { mimeType: "application/pdf" })`,
   * `emit({ path: "chart.svg" })`, and `emit({...})` for JSON. Images and
   * sounds are told by their bytes; a file by the ending of its name. A block
   * that a tool returned, or a list of them, is shown as what it is.
   */
  function emit(value, options = {}) {
    if (typeof options === "string") options = { mimeType: options };
    if (isBlock(value)) return emitBlock(value, options);
    if (Array.isArray(value) && value.length > 0 && value.every(isBlock)) {
      for (const block of value) emitBlock(block, options);
      return;
    }
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
    const text = typeof value === "bigint" ? String(value) : JSON.stringify(value);
    if (typeof text !== "string") throw new TypeError(`emit takes a text, bytes, \`{ path }\`, or what JSON can express, not ${internal.inspect(value)}`);
    return text;
  }

  const check = (refusal) => {
    if (typeof refusal === "string") throw new TypeError(refusal);
  };

  internal.serverFunctions.emit = emit;
  internal.global("emit", emit);
})
