// Resources and prompts of servers, as functions. They travel as calls with
// names that no tool has, so that everything that holds for calls holds for
// them.
(function (native, internal) {
  "use strict";

  const itself = (result) => result;
  const bytes = (blob) => internal.toBytes(blob, "base64");

  /** The host gives one text as it is, and anything else as an object or an
   * array of them. */
  function contents(result) {
    if (Array.isArray(result)) return result.map((part) => (typeof part.blob === "string" ? { ...part, blob: bytes(part.blob) } : part));
    return typeof result?.blob === "string" ? bytes(result.blob) : result;
  }

  const functions = {
    /** The resources of a server: objects with `uri` and `name`. */
    listResources: (server, options) => ["resources/list", {}, itself, options],
    /** The patterns of its resources: objects with `uriTemplate` and `name`. */
    listResourceTemplates: (server, options) => ["resources/templates", {}, itself, options],
    /** A resource: its text, or its bytes as a `Uint8Array`. */
    readResource: (server, uri, options) => ["resources/read", { uri: String(uri) }, contents, options],
    /** The prompts of a server: objects with `name`. */
    listPrompts: (server, options) => ["prompts/list", {}, itself, options],
    /** A prompt: an object with its `messages`. */
    getPrompt: (server, name, values = {}, options) => ["prompts/get", { name, arguments: values }, itself, options],
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
    const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    for (const each of [name, snake]) {
      internal.serverFunctions[each] = run;
      internal.global(each, run);
    }
  }
})
