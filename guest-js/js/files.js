// `fs`, `fs/promises` and `path`, as far as files of the workspace need them.
// Reading and writing takes no time that is worth waiting for, so the
// asynchronous functions are the synchronous ones in a promise.
(function (native, internal) {
  "use strict";

  const { files } = native;

  // ---- path

  const normalize = (path) => {
    const absolute = path.startsWith("/");
    const parts = [];
    for (const part of path.split("/")) {
      if (part === "" || part === ".") continue;
      if (part === ".." && parts.length && parts[parts.length - 1] !== "..") parts.pop();
      else if (part !== ".." || !absolute) parts.push(part);
    }
    const slash = path.endsWith("/") && parts.length ? "/" : "";
    return (absolute ? "/" : "") + parts.join("/") + slash || ".";
  };
  const trimmed = (path) => path.replace(/(?<=.)\/+$/, "");
  const basename = (path, suffix = "") => {
    const name = trimmed(path).split("/").pop();
    return suffix && name !== suffix && name.endsWith(suffix) ? name.slice(0, -suffix.length) : name;
  };
  const dirname = (path) => {
    const at = trimmed(path).lastIndexOf("/");
    return at < 0 ? "." : at === 0 ? "/" : trimmed(path.slice(0, at));
  };
  const extname = (path) => {
    const name = basename(path);
    const at = name.lastIndexOf(".");
    return at <= 0 ? "" : name.slice(at);
  };
  const resolve = (...paths) => {
    let path = "";
    for (const each of [...paths].reverse()) {
      path = path ? `${each}/${path}` : each;
      if (each.startsWith("/")) break;
    }
    return trimmed(normalize(path.startsWith("/") ? path : `/workspace/${path}`));
  };
  const path = {
    sep: "/",
    delimiter: ":",
    normalize,
    basename,
    dirname,
    extname,
    resolve,
    join: (...paths) => normalize(paths.filter((each) => each !== "").join("/")),
    isAbsolute: (path) => path.startsWith("/"),
    relative(from, to) {
      const start = resolve(from).split("/").filter(Boolean);
      const end = resolve(to).split("/").filter(Boolean);
      let same = 0;
      while (same < start.length && same < end.length && start[same] === end[same]) same++;
      return [...start.slice(same).map(() => ".."), ...end.slice(same)].join("/");
    },
    parse(path) {
      const base = basename(path);
      const ext = extname(path);
      return { root: path.startsWith("/") ? "/" : "", dir: path.includes("/") ? dirname(path) : "", base, ext, name: base.slice(0, base.length - ext.length) };
    },
    format: ({ dir, root = "", base, name = "", ext = "" }) => (dir ? `${dir}/` : root) + (base ?? name + ext),
  };
  path.posix = path;
  path.default = path;

  // ---- fs

  const ASYNCHRONOUS = ["readFile", "writeFile", "appendFile", "readdir", "mkdir", "rm", "rmdir", "unlink", "rename", "copyFile", "stat", "lstat", "access"];

  const place = (path) => resolve(path instanceof URL ? decodeURIComponent(path.pathname) : String(path));

  /** Calls the host's files; an error becomes one as Node has it. */
  function attempt(syscall, path, work) {
    try {
      return work();
    } catch (failure) {
      if (failure instanceof Error) throw failure;
      const error = new Error(`${failure.code}: ${failure.text}, ${syscall} '${path}'`);
      throw Object.assign(error, { code: failure.code, syscall, path });
    }
  }

  const encodingOf = (options) => (typeof options === "string" ? options : options?.encoding);

  function bytesOf(data) {
    if (data instanceof ArrayBuffer) return data;
    if (ArrayBuffer.isView(data)) return data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
    return native.encode(String(data));
  }

  class Stats {
    constructor(found) {
      this.size = found.size;
      this.mtimeMs = found.modified;
      this.mtime = new Date(found.modified);
      Object.defineProperty(this, "folder", { value: found.folder });
    }
    isFile() {
      return !this.folder;
    }
    isDirectory() {
      return this.folder;
    }
    isSymbolicLink() {
      return false;
    }
  }

  class Dirent {
    constructor(name, parentPath, folder) {
      this.name = name;
      this.parentPath = parentPath;
      Object.defineProperty(this, "folder", { value: folder });
    }
    isFile() {
      return !this.folder;
    }
    isDirectory() {
      return this.folder;
    }
    isSymbolicLink() {
      return false;
    }
  }

  const statOf = (syscall, path) => attempt(syscall, path, () => files.stat(path));

  const fs = {
    readFileSync(path, options) {
      path = place(path);
      const buffer = attempt("open", path, () => files.read(path));
      const encoding = encodingOf(options);
      return encoding ? new TextDecoder(encoding, { ignoreBOM: true }).decode(buffer) : new Uint8Array(buffer);
    },
    writeFileSync(path, data, options) {
      path = place(path);
      attempt("open", path, () => files.write(path, bytesOf(data), options?.flag?.startsWith("a") ?? false));
    },
    appendFileSync(path, data) {
      fs.writeFileSync(path, data, { flag: "a" });
    },
    readdirSync(path, options) {
      path = place(path);
      const found = attempt("scandir", path, () => files.list(path)).map(([name, folder]) => new Dirent(name, path, folder));
      if (options?.recursive) {
        for (const entry of [...found]) {
          if (!entry.folder) continue;
          const inner = fs.readdirSync(`${path}/${entry.name}`, { recursive: true, withFileTypes: true });
          found.push(...inner);
        }
      }
      if (options?.withFileTypes) return found;
      return found.map((entry) => `${entry.parentPath}/${entry.name}`.slice(path.length + 1));
    },
    mkdirSync(path, options) {
      path = place(path);
      attempt("mkdir", path, () => files.makeFolder(path, Boolean(options?.recursive)));
    },
    rmSync(path, options) {
      path = place(path);
      let found;
      try {
        found = statOf("rm", path);
      } catch (error) {
        if (options?.force && error.code === "ENOENT") return;
        throw error;
      }
      if (!found.folder) return fs.unlinkSync(path);
      if (!options?.recursive) throw Object.assign(new Error(`EISDIR: is a directory, rm '${path}'; pass { recursive: true }`), { code: "EISDIR" });
      attempt("rm", path, () => files.removeFolder(path, true));
    },
    rmdirSync(path) {
      path = place(path);
      attempt("rmdir", path, () => files.removeFolder(path, false));
    },
    unlinkSync(path) {
      path = place(path);
      attempt("unlink", path, () => files.removeFile(path));
    },
    renameSync(from, to) {
      from = place(from);
      attempt("rename", from, () => files.rename(from, place(to)));
    },
    copyFileSync(from, to) {
      from = place(from);
      const buffer = attempt("copyfile", from, () => files.read(from));
      fs.writeFileSync(to, buffer);
    },
    statSync(path, options) {
      path = place(path);
      try {
        return new Stats(statOf("stat", path));
      } catch (error) {
        if (options?.throwIfNoEntry === false && error.code === "ENOENT") return undefined;
        throw error;
      }
    },
    lstatSync(path, options) {
      return fs.statSync(path, options);
    },
    accessSync(path) {
      statOf("access", place(path));
    },
    existsSync(path) {
      try {
        files.stat(place(path));
        return true;
      } catch {
        return false;
      }
    },
    constants: { F_OK: 0, R_OK: 4, W_OK: 2, X_OK: 1 },
    promises: { constants: { F_OK: 0, R_OK: 4, W_OK: 2, X_OK: 1 } },
  };
  for (const name of ASYNCHRONOUS) {
    const run = fs[`${name}Sync`];
    fs.promises[name] = { async [name](...values) { return run(...values); } }[name];
    fs[name] = function (...values) {
      const callback = typeof values[values.length - 1] === "function" ? values.pop() : null;
      const promise = fs.promises[name](...values);
      if (callback === null) throw new TypeError(`fs.${name} takes a callback; write \`await fs.promises.${name}(...)\` or \`fs.${name}Sync(...)\``);
      promise.then((result) => callback(null, result), callback);
    };
  }
  fs.promises.default = fs.promises;
  fs.default = fs;

  Object.assign(internal.builtins, { fs, "fs/promises": fs.promises, path, "path/posix": path });
})
