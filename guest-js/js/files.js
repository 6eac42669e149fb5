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

  // Those of Linux, which programs may have written as numbers.
  const constants = {
    F_OK: 0,
    R_OK: 4,
    W_OK: 2,
    X_OK: 1,
    O_RDONLY: 0,
    O_WRONLY: 0o1,
    O_RDWR: 0o2,
    O_CREAT: 0o100,
    O_EXCL: 0o200,
    O_TRUNC: 0o1000,
    O_APPEND: 0o2000,
    O_DSYNC: 0o10000,
    O_SYNC: 0o4010000,
    COPYFILE_EXCL: 1,
    COPYFILE_FICLONE: 2,
    COPYFILE_FICLONE_FORCE: 4,
  };
  const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_SYNC } = constants;
  const O_ALL = O_WRONLY | O_RDWR | O_CREAT | O_EXCL | O_TRUNC | O_APPEND | O_SYNC;

  /** What each name of a flag means. */
  const FLAGS = new Map();
  for (const [names, more] of [
    ["r", 0],
    ["rs sr", O_SYNC],
    ["w", O_CREAT | O_TRUNC],
    ["wx xw", O_CREAT | O_TRUNC | O_EXCL],
    ["a", O_CREAT | O_APPEND],
    ["ax xa", O_CREAT | O_APPEND | O_EXCL],
    ["as sa", O_CREAT | O_APPEND | O_SYNC],
  ]) {
    for (const name of names.split(" ")) {
      FLAGS.set(name, more | (name.includes("r") ? O_RDONLY : O_WRONLY));
      FLAGS.set(`${name}+`, more | O_RDWR);
    }
  }

  const invalid = (name, value, why = "is invalid") =>
    Object.assign(new TypeError(`The argument '${name}' ${why}. Received ${internal.inspect(value)}`), { code: "ERR_INVALID_ARG_VALUE" });

  /** A flag as a number. What is not known is refused: a flag that is ignored can cost a file. */
  function flagsOf(flag) {
    const known = typeof flag === "number" ? Number.isInteger(flag) && flag >= 0 && (flag | O_ALL) === O_ALL : FLAGS.has(flag);
    if (!known) throw invalid("flags", flag);
    return FLAGS.get(flag) ?? flag;
  }

  function place(path, argument = "path") {
    path = path instanceof URL ? decodeURIComponent(path.pathname) : String(path);
    if (path.includes("\0")) throw invalid(argument, path, "must be a string, Uint8Array, or URL without null bytes");
    return describing(resolve(path));
  }

  /** The folder of a server has the name that programs import; the server's
   * own name, `servers/google-drive`, is understood too. */
  function describing(path) {
    const found = /^(?:\/workspace)?\/servers\/([^/]+)(.*)$/s.exec(path);
    if (found === null) return path;
    const servers = native.servers();
    if (servers.some((each) => each.identifier === found[1])) return path;
    const server = servers.find((each) => each.name === found[1]);
    return server ? `${path.slice(0, path.indexOf("/servers/"))}/servers/${server.identifier}${found[2]}` : path;
  }

  /** Calls the host's files; an error becomes one as Node has it. */
  function attempt(syscall, path, work, dest) {
    try {
      return work();
    } catch (failure) {
      if (failure instanceof Error) throw failure;
      const { code, errno, text } = failure;
      // Once a file is open, Node does not know its path any more.
      const opened = dest === undefined && failure.syscall;
      if (opened) throw Object.assign(new Error(`${code}: ${text}, ${opened}`), { errno, code, syscall: opened });
      const where = dest === undefined ? `'${path}'` : `'${path}' -> '${dest}'`;
      const error = Object.assign(new Error(`${code}: ${text}, ${syscall} ${where}`), { errno, code, syscall, path });
      throw dest === undefined ? error : Object.assign(error, { dest });
    }
  }

  /** The encoding that was asked for, if any. One that is ignored would be
   * another text. */
  function encodingOf(options) {
    const name = typeof options === "string" ? options : options?.encoding;
    if (!name) return undefined;
    const encoding = internal.encoding(name);
    if (encoding === undefined) throw invalid("encoding", name, "is invalid encoding");
    return encoding;
  }

  function bytesOf(data, encoding = "utf8") {
    if (data instanceof ArrayBuffer) return data;
    if (ArrayBuffer.isView(data)) return data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
    return internal.toBytes(String(data), encoding).buffer;
  }

  const outOfRange = (name, expected, value) =>
    Object.assign(new RangeError(`The value of "${name}" is out of range. It must be ${expected}. Received ${internal.inspect(value)}`), { code: "ERR_OUT_OF_RANGE" });

  /** What a program wants to do with a file, as bits. */
  function accessOf(mode) {
    if (mode === undefined || mode === null) return constants.F_OK;
    if (typeof mode !== "number") {
      const received = typeof mode === "object" ? `an instance of ${mode.constructor?.name}` : `type ${typeof mode} (${internal.inspect(mode)})`;
      throw Object.assign(new TypeError(`The "mode" argument must be of type number. Received ${received}`), { code: "ERR_INVALID_ARG_TYPE" });
    }
    if (!Number.isInteger(mode)) throw outOfRange("mode", "an integer", mode);
    if (mode < 0 || mode > 7) throw outOfRange("mode", ">= 0 && <= 7", mode);
    return mode;
  }

  /** Where programs write; the rest they only read. */
  const isWritable = (path) => /^\/(?:workspace|tmp)(?:\/|$)/.test(path);

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

  function stats(syscall, path, options) {
    path = place(path);
    try {
      return new Stats(statOf(syscall, path));
    } catch (error) {
      if (options?.throwIfNoEntry === false && error.code === "ENOENT") return undefined;
      throw error;
    }
  }

  const fs = {
    readFileSync(path, options) {
      const encoding = encodingOf(options);
      path = place(path);
      const flags = flagsOf(options?.flag ?? "r");
      const bytes = new Uint8Array(attempt("open", path, () => files.read(path, flags)));
      return encoding ? internal.toText(bytes, encoding) : internal.buffer(bytes);
    },
    writeFileSync(path, data, options) {
      const encoding = encodingOf(options);
      path = place(path);
      const flags = flagsOf(options?.flag || "w");
      const bytes = bytesOf(data, encoding);
      attempt("open", path, () => files.write(path, bytes, flags));
    },
    appendFileSync(path, data, options) {
      fs.writeFileSync(path, data, { encoding: encodingOf(options), flag: options?.flag || "a" });
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
        found = statOf("lstat", path);
      } catch (error) {
        if (options?.force && error.code === "ENOENT") return;
        throw error;
      }
      if (!found.folder) return fs.unlinkSync(path);
      if (!options?.recursive) {
        const error = new Error(`Path is a directory: rm returned EISDIR (is a directory) ${path}; pass { recursive: true }`);
        Object.defineProperty(error, "name", { value: "SystemError", configurable: true, writable: true });
        throw Object.assign(error, { code: "ERR_FS_EISDIR", errno: 21, syscall: "rm", path });
      }
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
      from = place(from, "oldPath");
      to = place(to, "newPath");
      attempt("rename", from, () => files.rename(from, to), to);
    },
    copyFileSync(from, to, mode) {
      from = place(from, "src");
      to = place(to, "dest");
      mode ??= 0;
      // A clone is a copy that may be cheaper; there is none to be had by force.
      if (![0, 1, 2, 3].includes(mode)) throw invalid("mode", mode);
      const flags = O_WRONLY | O_CREAT | (mode & constants.COPYFILE_EXCL ? O_EXCL : O_TRUNC);
      attempt("copyfile", from, () => files.write(to, files.read(from, O_RDONLY), flags), to);
    },
    statSync: (path, options) => stats("stat", path, options),
    lstatSync: (path, options) => stats("lstat", path, options),
    accessSync(path, mode) {
      path = place(path);
      mode = accessOf(mode);
      const { folder } = statOf("access", path);
      attempt("access", path, () => {
        if (mode & constants.W_OK && !isWritable(path)) throw { code: "EROFS", errno: -30, text: "read-only file system" };
        // Nothing is executed here.
        if (mode & constants.X_OK && !folder) throw { code: "EACCES", errno: -13, text: "permission denied" };
      });
    },
    existsSync(path) {
      try {
        files.stat(place(path));
        return true;
      } catch {
        return false;
      }
    },
    constants,
    promises: { constants },
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

  // What programs that follow the pattern of tools as files call. Answered at
  // once; awaiting does no harm.
  const functions = {
    /** The names in a folder: `listDirectory("servers/")`. */
    listDirectory: (path = ".") => fs.readdirSync(path),
    /** The text of a file: `readFile("servers/github/listIssues.ts")`. */
    readFile: (path, options) => fs.readFileSync(path, options ?? "utf8"),
    writeFile: (path, data, options) => fs.writeFileSync(path, data, options),
    /** The names of the servers, as they are imported. */
    listServers: () => native.servers().map((server) => server.identifier),
  };
  for (const [name, run] of Object.entries(functions)) {
    for (const each of [name, name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)]) {
      internal.serverFunctions[each] = run;
      internal.global(each, run);
    }
  }

  Object.assign(internal.builtins, { fs, "fs/promises": fs.promises, path, "path/posix": path });
})
