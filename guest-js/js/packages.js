// `require`, and packages that were placed in a folder `node_modules` of the
// workspace: Node's rules. Nothing is ever fetched.
(function (native, internal) {
  "use strict";

  const { builtins } = internal;

  /** Where programs are: the folder that their relative paths begin at. */
  const PROGRAM = "/workspace/program";

  const folderOf = (path) => path.slice(0, path.lastIndexOf("/")) || "/";

  /** The manifest of a package; `null` where there is none. */
  function manifestOf(folder) {
    const text = native.textFile(`${folder}/package.json`);
    if (text === null) return null;
    let manifest;
    try {
      manifest = JSON.parse(text);
    } catch (error) {
      throw new SyntaxError(`\`${folder}/package.json\` is no JSON: ${error.message}`);
    }
    return manifest !== null && typeof manifest === "object" ? manifest : null;
  }

  /** The file that a path means: itself, with an ending, or that of a folder. */
  function fileAt(path) {
    const file = native.existingFile(path);
    if (file !== null && !file.startsWith(`${path}/index.`)) return file;
    const { main } = manifestOf(path) ?? {};
    return (typeof main === "string" ? native.existingFile(builtins.path.join(path, main)) : null) ?? file;
  }

  /** What `exports` and `imports` of a manifest say for one entry: a path in
   * the package, or `undefined`. */
  function target(value, star, conditions) {
    if (typeof value === "string") return value.replaceAll("*", star);
    if (Array.isArray(value)) {
      for (const each of value) {
        const found = target(each, star, conditions);
        if (found !== undefined && found !== null) return found;
      }
      return undefined;
    }
    if (value === null || typeof value !== "object") return null;
    for (const key of Object.keys(value)) {
      if (!conditions.has(key)) continue;
      const found = target(value[key], star, conditions);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  function entry(table, name, conditions) {
    if (Object.hasOwn(table, name) && !name.includes("*")) return target(table[name], "", conditions);
    let best = null;
    for (const key of Object.keys(table)) {
      const [before, behind] = key.split("*");
      if (behind === undefined || !name.startsWith(before) || !name.endsWith(behind) || name.length < before.length + behind.length) continue;
      if (best === null || before.length > best.before.length) best = { key, before, star: name.slice(before.length, name.length - behind.length) };
    }
    return best === null ? undefined : target(table[best.key], best.star, conditions);
  }

  const CONDITIONS = {
    import: new Set(["import", "module-sync", "node", "default"]),
    require: new Set(["require", "module-sync", "node", "default"]),
  };

  /** `#name`: what the package of the file calls so itself. */
  function privateName(base, specifier, mode) {
    for (let folder = folderOf(base); ; folder = folderOf(folder)) {
      const { imports } = manifestOf(folder) ?? {};
      if (imports !== null && typeof imports === "object") {
        const found = entry(imports, specifier, CONDITIONS[mode]);
        if (typeof found !== "string") break;
        return found.startsWith("./") ? fileAt(builtins.path.join(folder, found)) : packageFile(`${folder}/package.json`, found, mode);
      }
      if (folder === "/") break;
    }
    throw new Error(`cannot import \`${specifier}\`: no \`package.json\` around \`${base}\` has it in \`imports\``);
  }

  /** The file of a package, seen from the file `base`; `null` where no folder
   * `node_modules` has the package. */
  function packageFile(base, specifier, mode) {
    if (!base.startsWith("/")) base = PROGRAM;
    if (specifier.startsWith("#")) return privateName(base, specifier, mode);
    const parts = /^((?:@[^/\\%]+\/)?[^./\\%@][^/\\%]*)(\/.*)?$/.exec(specifier);
    if (parts === null) return null;
    const [, name, inside = ""] = parts;
    for (let folder = folderOf(base); ; folder = folderOf(folder)) {
      const root = `${folder === "/" ? "" : folder}/node_modules/${name}`;
      const manifest = native.hasFolder(root) ? (manifestOf(root) ?? {}) : null;
      if (manifest !== null) {
        const found = within(root, name, inside, manifest, mode);
        if (found !== null) return found;
        throw new Error(`cannot import \`${specifier}\`: the package in \`${root}\` has no such file${inside ? "" : " for its `main` or `exports`"}`);
      }
      if (folder === "/") return null;
    }
  }

  function within(root, name, inside, manifest, mode) {
    const { exports } = manifest;
    if (exports !== undefined && exports !== null) {
      const table = typeof exports === "object" && !Array.isArray(exports) && Object.keys(exports).some((key) => key.startsWith(".")) ? exports : { ".": exports };
      const found = entry(table, `.${inside}`, CONDITIONS[mode]);
      if (typeof found !== "string") throw new Error(`cannot import \`${name}${inside}\`: the \`exports\` of the package in \`${root}\` do not have \`.${inside}\``);
      return native.existingFile(builtins.path.join(root, found));
    }
    if (inside) return fileAt(root + inside);
    const module = mode === "import" && typeof manifest.module === "string" ? native.existingFile(builtins.path.join(root, manifest.module)) : null;
    return module ?? fileAt(root);
  }

  internal.packageFile = packageFile;

  // ---- require

  const cache = new Map(); // path -> module

  function load(path) {
    const known = cache.get(path);
    if (known !== undefined) return known.exports;
    if (path.endsWith(".json")) {
      const module = { exports: parseJson(path) };
      cache.set(path, module);
      return module.exports;
    }
    const run = native.commonFile(path);
    if (run === null) {
      // An ES module, whose exports are there when its text has run. One that
      // was imported before runs once more.
      const exports = native.moduleNow(path);
      cache.set(path, { exports });
      return exports;
    }
    const module = { exports: {}, id: path, filename: path, path: folderOf(path), loaded: false, children: [], paths: [], parent: null };
    module.require = requireFrom(path);
    cache.set(path, module);
    try {
      run.call(module.exports, module.exports, module.require, module, path, module.path);
    } catch (error) {
      cache.delete(path);
      throw error;
    }
    module.loaded = true;
    return module.exports;
  }

  function parseJson(path) {
    const text = native.textFile(path);
    try {
      return JSON.parse(text.replace(/^\ufeff/, ""));
    } catch (error) {
      throw new SyntaxError(`\`${path}\` is no JSON: ${error.message}`);
    }
  }

  /** What a CommonJS file exports, for modules that import it. */
  internal.commonExports = load;

  const absent = (message) => Object.assign(new Error(message), { code: "MODULE_NOT_FOUND" });

  /** The file that a specifier means in the file `base`. */
  function resolve(base, specifier) {
    if (/^\.{0,2}(?:\/|$)/.test(specifier) || /^(?:workspace|skills)\//.test(specifier)) {
      const path = specifier.startsWith("/") ? specifier : /^[ws]/.test(specifier) ? `/${specifier}` : `${folderOf(base)}/${specifier}`;
      const full = builtins.path.resolve(path);
      const file = fileAt(full);
      if (file === null) throw absent(`cannot require \`${specifier}\`: there is no file \`${full}\``);
      return file;
    }
    const file = packageFile(base, specifier, "require");
    if (file === null) throw absent(internal.missingModule(specifier));
    return file;
  }

  function requireFrom(base) {
    function require(specifier) {
      specifier = String(specifier);
      const ready = internal.builtin(specifier) ?? internal.allServers(specifier, base);
      if (ready) return ready;
      const found = native.serverOf(specifier, base);
      if (!found) return load(resolve(base, specifier));
      const { default: value, exportName: name } = internal.serverModule(found[0], found[1] ?? null);
      // The module of one tool is its function, which then has itself as a member.
      if (name !== undefined && !(name in value)) Object.defineProperty(value, name, { value });
      return value;
    }
    require.resolve = (specifier) => (internal.builtin(specifier) ? specifier : resolve(base, String(specifier)));
    require.cache = Object.create(null);
    require.main = undefined;
    return require;
  }

  builtins.module = {
    createRequire: (from) => requireFrom(String(from).startsWith("file:") ? builtins.url.fileURLToPath(from) : String(from)),
    isBuiltin: (name) => internal.isBuiltin(name),
    get builtinModules() {
      return Object.keys(builtins);
    },
  };
  builtins.module.default = builtins.module;

  const module = { exports: {} };
  internal.global("require", requireFrom(PROGRAM));
  internal.global("module", module);
  internal.global("exports", module.exports);
})
