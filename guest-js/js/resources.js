// Resources and prompts of servers, as functions. They travel as calls with
// names that no tool has, so that everything that holds for calls holds for
// them.
(function (native, internal) {
  "use strict";

  const member = (name) => (result) => result?.[name] ?? result;

  /** A text as text, anything else as bytes; more than one part as an array. */
  function contents(result) {
    if (!Array.isArray(result?.contents)) return result;
    const parts = result.contents.map((part) => (typeof part.blob === "string" ? { ...part, blob: internal.toBytes(part.blob, "base64") } : part));
    return parts.length === 1 ? (parts[0].text ?? parts[0].blob) : parts;
  }

  const functions = {
    /** The resources of a server: objects with `uri` and `name`. */
    listResources: (server, options) => ["resources/list", {}, member("resources"), options],
    /** A resource: its text, or its bytes as a `Uint8Array`. */
    readResource: (server, uri, options) => ["resources/read", { uri: String(uri) }, contents, options],
    /** The prompts of a server: objects with `name`. */
    listPrompts: (server, options) => ["prompts/list", {}, member("prompts"), options],
    /** A prompt: an object with its `messages`. */
    getPrompt: (server, name, values = {}, options) => ["prompts/get", { name, arguments: values }, (result) => result, options],
  };

  for (const [name, request] of Object.entries(functions)) {
    const run = {
      [name](server, ...rest) {
        if (typeof server !== "string") {
          return Promise.reject(new TypeError(`${name} takes the name of a server first, not ${internal.inspect(server)}`));
        }
        const [method, values, read, options] = request(server, ...rest);
        return internal.startCall(`${server}.${method}`, name, values, options, run, read);
      },
    }[name];
    const snake = name.replace(/[A-Z]/, (letter) => `_${letter.toLowerCase()}`);
    for (const each of [name, snake]) {
      internal.serverFunctions[each] = run;
      internal.global(each, run);
    }
  }
})
