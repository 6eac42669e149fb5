// What a program does with files, and what comes of it, line by line. Run with
// the folder to work in, natively and in the sandbox: the lines must be the
// same but for those that docs/files.md lists.
import fs from "fs";
import promises from "fs/promises";
import path from "path";

const here = process.argv[2];
const p = (name) => `${here}/${name}`;

const shown = (value) => {
  if (value instanceof Uint8Array) return `bytes ${[...value]}`;
  return value === undefined ? "undefined" : JSON.stringify(value);
};
const line = (label, value) => console.log(`${label}: ${String(value).replaceAll(here, "HERE")}`);

async function show(label, work) {
  try {
    line(label, shown(await work()));
  } catch (error) {
    const { name, code, errno, syscall, path, dest, message } = error;
    line(label, [name, code, errno, syscall, path, dest, message].join(" | "));
  }
}

// Reading and writing.
await show("write", () => fs.writeFileSync(p("a.txt"), "hello"));
await show("read", () => fs.readFileSync(p("a.txt"), "utf8"));
await show("read bytes", () => fs.readFileSync(p("a.txt")));
await show("read with options", () => fs.readFileSync(p("a.txt"), { encoding: "utf8" }));
await show("append", () => fs.appendFileSync(p("a.txt"), " world"));
await show("appended", () => fs.readFileSync(p("a.txt"), "utf8"));
await show("append to nothing", () => fs.appendFileSync(p("b.txt"), "b"));
await show("write bytes", () => fs.writeFileSync(p("bytes"), new Uint8Array([0, 255, 7])));
await show("bytes", () => fs.readFileSync(p("bytes")));
await show("write a part", () => fs.writeFileSync(p("bytes"), new Uint8Array([1, 2, 3, 4]).subarray(1, 3)));
await show("part", () => fs.readFileSync(p("bytes")));
await show("write with flag a", () => fs.writeFileSync(p("a.txt"), "!", { flag: "a" }));
await show("after flag a", () => fs.readFileSync(p("a.txt"), "utf8"));
await show("write with flag wx", () => fs.writeFileSync(p("bytes"), "!", { flag: "wx" }));
await show("write anew with flag wx", () => fs.writeFileSync(p("wx"), "!", { flag: "wx" }));
await show("invalid UTF-8", () => (fs.writeFileSync(p("bad"), new Uint8Array([255, 65])), fs.readFileSync(p("bad"), "utf8")));
await show("empty", () => (fs.writeFileSync(p("empty"), ""), fs.readFileSync(p("empty"), "utf8")));
await show("unicode", () => (fs.writeFileSync(p("u"), "é😀"), [fs.readFileSync(p("u"), "utf8"), fs.statSync(p("u")).size]));

// Encodings, on texts that suit them and texts that do not.
const encodings = "utf8 UTF-8 utf16le UCS-2 latin1 binary ascii base64 base64url hex".split(" ");
const texts = ["", "abc", "h\u00e9llo \u20ac \ud83d\ude00", "+/8=", "-_8", "YWJj\nZGU=Zg", "YWJjZ", "00ffFE7", "12x4", "\ufeffabc"];
for (const encoding of encodings) {
  for (const [index, text] of texts.entries()) {
    await show(`write ${index} as ${encoding}`, () => (fs.writeFileSync(p("encoded"), text, encoding), fs.readFileSync(p("encoded"))));
    await show(`append ${index} as ${encoding}`, () => (fs.appendFileSync(p("encoded"), text, { encoding }), fs.readFileSync(p("encoded"))));
  }
  for (const bytes of [[], [0, 1, 127, 128, 159, 200, 255], [0xef, 0xbb, 0xbf, 65], [0x3d, 0xd8, 0, 0xde, 65], [251, 255, 254, 250]]) {
    await show(`read ${bytes} as ${encoding}`, () => (fs.writeFileSync(p("encoded"), new Uint8Array(bytes)), fs.readFileSync(p("encoded"), encoding)));
  }
}
await show("write bytes with an encoding", () => (fs.writeFileSync(p("encoded"), new Uint8Array([1, 2]), "hex"), fs.readFileSync(p("encoded"))));
await show("read long as latin1", () => (fs.writeFileSync(p("encoded"), new Uint8Array(100_000).fill(233)), fs.readFileSync(p("encoded"), "latin1") === "\u00e9".repeat(100_000)));
await show("write later as base64", async () => (await promises.writeFile(p("encoded"), "AAE=", "base64"), promises.readFile(p("encoded"), { encoding: "hex" })));
for (const [what, work] of Object.entries({
  read: (encoding) => fs.readFileSync(p("encoded"), encoding),
  write: (encoding) => fs.writeFileSync(p("encoded"), "x", encoding),
  append: (encoding) => fs.appendFileSync(p("encoded"), "x", { encoding }),
})) {
  for (const encoding of ["utf-7", "shift_jis", "utf_8", " hex"]) await show(`${what} as ${encoding}`, () => work(encoding));
}
fs.unlinkSync(p("encoded"));

// Every flag Node knows, and some that it does not, on a file, on nothing and
// on a folder: what came, what the file holds then, and what is there.
const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_SYNC, O_DSYNC } = fs.constants;
const flags = [
  ..."r rs sr r+ rs+ sr+ w wx xw w+ wx+ xw+ a ax xa as sa a+ ax+ xa+ as+ sa+".split(" "),
  ...["", "R", "x", "rx", "+r", "rw", "w ", "577", "constructor", null, undefined, false, true, {}],
  ...[O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_CREAT, O_WRONLY | O_CREAT | O_EXCL, O_RDWR | O_CREAT | O_EXCL | O_TRUNC],
  ...[O_WRONLY | O_CREAT | O_TRUNC, O_WRONLY | O_EXCL, O_RDWR | O_TRUNC, O_WRONLY | O_APPEND, O_RDWR | O_CREAT | O_APPEND],
  ...[O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, O_WRONLY | O_CREAT | O_SYNC, O_RDWR | O_DSYNC],
  ...[O_RDONLY | O_CREAT, O_RDONLY | O_CREAT | O_EXCL, O_RDONLY | O_APPEND, O_RDONLY | O_TRUNC],
];
fs.mkdirSync(p("flags/folder"), { recursive: true });
for (const [index, flag] of flags.entries()) {
  for (const [what, work] of Object.entries({
    read: (name) => fs.readFileSync(name, { flag, encoding: "utf8" }),
    write: (name) => fs.writeFileSync(name, "new", { flag }),
    append: (name) => fs.appendFileSync(name, "more", { flag }),
    "write later": (name) => promises.writeFile(name, "late", { flag }),
  })) {
    for (const name of ["file", "nothing", "folder"]) {
      fs.writeFileSync(p("flags/file"), "before");
      await show(`${what} ${name} with flag ${index} ${JSON.stringify(flag)}`, () => work(p(`flags/${name}`)));
      const text = (name) => fs.existsSync(p(name)) && fs.readFileSync(p(name), "utf8");
      line(`after ${what} ${name} with flag ${index}`, shown([text("flags/file"), text("flags/nothing")]));
      fs.rmSync(p("flags/nothing"), { force: true });
    }
  }
}
await show("an unknown flag", () => fs.writeFileSync(p("flags/file"), "x", { flag: O_WRONLY | O_CREAT | 0o10000000000 }));
await show("a flag out of range", () => fs.writeFileSync(p("flags/file"), "x", { flag: 1.5 }));
await show("nothing with flag r", () => fs.writeFileSync(p("flags/file"), "", { flag: "r" }));
for (const mode of [undefined, null, 0, fs.constants.COPYFILE_EXCL, fs.constants.COPYFILE_FICLONE, 3]) {
  await show(`copyFile over a file with mode ${mode}`, () => (fs.copyFileSync(p("a.txt"), p("flags/file"), mode), fs.readFileSync(p("flags/file"), "utf8")));
  line(`after mode ${mode}`, fs.readFileSync(p("flags/file"), "utf8"));
  fs.writeFileSync(p("flags/file"), "before");
  await show(`copyFile with mode ${mode}`, () => (fs.copyFileSync(p("a.txt"), p("flags/copy"), mode), fs.readFileSync(p("flags/copy"), "utf8")));
  fs.unlinkSync(p("flags/copy"));
}
await show("copyFile with mode 9", () => fs.copyFileSync(p("a.txt"), p("flags/copy"), 9));
await show("flags left", () => fs.readdirSync(p("flags")).sort());
fs.rmSync(p("flags"), { recursive: true });

// What is refused.
await show("read missing", () => fs.readFileSync(p("missing")));
await show("read a folder", () => fs.readFileSync(here));
await show("read below a file", () => fs.readFileSync(p("a.txt/x")));
await show("write a folder", () => fs.writeFileSync(here, "x"));
await show("write below nothing", () => fs.writeFileSync(p("no/x"), "x"));
await show("write long", () => fs.writeFileSync(p("n".repeat(256)), "x"));
await show("write longest", () => (fs.writeFileSync(p("n".repeat(255)), "x"), fs.unlinkSync(p("n".repeat(255)))));
for (const [what, work] of Object.entries({
  read: (name) => fs.readFileSync(name),
  stat: (name) => fs.statSync(name),
  lstat: (name) => fs.lstatSync(name),
  access: (name) => fs.accessSync(name),
  mkdir: (name) => fs.mkdirSync(name),
  "mkdir recursive": (name) => fs.mkdirSync(name, { recursive: true }),
  readdir: (name) => fs.readdirSync(name),
  rmdir: (name) => fs.rmdirSync(name),
  rm: (name) => fs.rmSync(name),
  "rm forced": (name) => fs.rmSync(name, { force: true }),
  unlink: (name) => fs.unlinkSync(name),
  rename: (name) => fs.renameSync(name, p("x")),
  "rename to": (name) => fs.renameSync(p("a.txt"), name),
  copyFile: (name) => fs.copyFileSync(name, p("x")),
  "copyFile to": (name) => fs.copyFileSync(p("a.txt"), name),
  exists: (name) => fs.existsSync(name),
})) {
  await show(`${what} long`, () => work(p("n".repeat(256))));
  await show(`${what} below a file`, () => work(p("a.txt/x")));
  await show(`${what} nul`, () => work(p("a\0b")));
}
await show("nul", () => fs.readFileSync(p("a\0b")));
await show("asynchronous, a folder", () => promises.readFile(here));
await show("callback, a folder", () => new Promise((done, failed) => fs.readFile(here, (error, bytes) => (error ? failed(error) : done(bytes)))));
await show("asynchronous, missing", () => promises.readFile(p("missing")));
await show("path in the error", () => {
  try {
    fs.readFileSync(p("missing"));
  } catch (error) {
    return [error.path, error.message, error instanceof Error];
  }
});

// Folders.
await show("mkdir", () => fs.mkdirSync(p("d")));
await show("mkdir again", () => fs.mkdirSync(p("d")));
await show("mkdir below nothing", () => fs.mkdirSync(p("x/y")));
await show("mkdir recursive", () => fs.mkdirSync(p("d/e/f"), { recursive: true }));
await show("mkdir recursive again", () => fs.mkdirSync(p("d/e/f"), { recursive: true }));
await show("mkdir over a file", () => fs.mkdirSync(p("a.txt")));
await show("mkdir recursive over a file", () => fs.mkdirSync(p("a.txt"), { recursive: true }));
await show("readdir", () => fs.readdirSync(here).sort());
await show("readdir with types", () => fs.readdirSync(p("d"), { withFileTypes: true }).map((entry) => [entry.name, entry.isFile(), entry.isDirectory(), entry.isSymbolicLink()]));
await show("readdir recursive", () => fs.readdirSync(here, { recursive: true }).sort());
await show("readdir missing", () => fs.readdirSync(p("missing")));
await show("readdir a file", () => fs.readdirSync(p("a.txt")));
await show("rmdir full", () => fs.rmdirSync(p("d")));
await show("asynchronous rmdir full", () => promises.rmdir(p("d")));
await show("rmdir a file", () => fs.rmdirSync(p("a.txt")));
await show("rmdir missing", () => fs.rmdirSync(p("missing")));
await show("rmdir", () => fs.rmdirSync(p("d/e/f")));

// One by one.
await show("exists", () => [fs.existsSync(p("a.txt")), fs.existsSync(p("d")), fs.existsSync(p("missing"))]);
await show("stat", () => ((s) => [s.size, s.isFile(), s.isDirectory(), s.isSymbolicLink(), s.mtimeMs > 1.6e12, s.mtime instanceof Date])(fs.statSync(p("a.txt"))));
await show("stat a folder", () => ((s) => [s.isFile(), s.isDirectory()])(fs.statSync(p("d"))));
await show("stat missing", () => fs.statSync(p("missing")));
await show("stat missing, no error", () => fs.statSync(p("missing"), { throwIfNoEntry: false }));
await show("lstat", () => fs.lstatSync(p("a.txt")).size);
await show("access", () => fs.accessSync(p("a.txt")));
await show("access missing", () => fs.accessSync(p("missing")));
fs.mkdirSync(p("access"));
for (const name of ["a.txt", "access", "missing"]) {
  for (const mode of [undefined, null, 0, 1, 2, 3, 4, 5, 6, 7]) await show(`access ${name} with mode ${mode}`, () => fs.accessSync(p(name), mode));
  // What is said about others depends on the version.
  for (const mode of [8, -1, NaN, "4", true, {}]) {
    await show(`access ${name} with mode ${mode}`, () => {
      try {
        fs.accessSync(p(name), mode);
      } catch (error) {
        return [error.name, error.code];
      }
    });
  }
}
await show("access later", () => promises.access(p("a.txt"), fs.constants.R_OK | fs.constants.W_OK));
fs.rmdirSync(p("access"));
await show("rename", () => fs.renameSync(p("b.txt"), p("c.txt")));
await show("rename over", () => (fs.renameSync(p("c.txt"), p("a.txt")), fs.readFileSync(p("a.txt"), "utf8")));
await show("rename missing", () => fs.renameSync(p("missing"), p("x")));
await show("rename a file over a folder", () => fs.renameSync(p("a.txt"), p("d")));
await show("rename a folder into itself", () => fs.renameSync(p("d"), p("d/e/g")));
await show("copyFile", () => (fs.copyFileSync(p("a.txt"), p("copy")), fs.readFileSync(p("copy"), "utf8")));
await show("copyFile onto itself", () => (fs.copyFileSync(p("copy"), p("./copy")), fs.readFileSync(p("copy"), "utf8")));
await show("copyFile a folder", () => fs.copyFileSync(p("d"), p("x")));
await show("copyFile over a folder", () => fs.copyFileSync(p("a.txt"), p("d")));
await show("rename a folder over a full one", () => (fs.mkdirSync(p("r")), fs.renameSync(p("r"), p("d"))));
await show("rmdir r", () => fs.rmdirSync(p("r")));
await show("lstat missing", () => fs.lstatSync(p("missing")));
await show("asynchronous rm a missing file", () => promises.rm(p("missing")));
await show("copyFile missing", () => fs.copyFileSync(p("missing"), p("copy")));
await show("unlink", () => (fs.unlinkSync(p("copy")), fs.existsSync(p("copy"))));
await show("unlink missing", () => fs.unlinkSync(p("missing")));
await show("unlink a folder", () => fs.unlinkSync(p("d")));
await show("rm", () => fs.rmSync(p("wx")));
await show("rm missing", () => fs.rmSync(p("missing")));
await show("rm missing, forced", () => fs.rmSync(p("missing"), { force: true }));
await show("rm a folder", () => fs.rmSync(p("d")));
await show("rm recursive", () => (fs.rmSync(p("d"), { recursive: true }), fs.existsSync(p("d"))));

// The same, asynchronous.
await show("promises", async () => {
  await promises.writeFile(p("async"), "1");
  await promises.appendFile(p("async"), "2");
  await promises.mkdir(p("ad/b"), { recursive: true });
  await promises.copyFile(p("async"), p("ad/copy"));
  await promises.rename(p("ad/copy"), p("ad/moved"));
  const seen = [await promises.readFile(p("ad/moved"), "utf8"), (await promises.readdir(p("ad"))).sort(), (await promises.stat(p("async"))).size];
  await promises.unlink(p("async"));
  await promises.rm(p("ad"), { recursive: true });
  return seen;
});
await show("promises of fs", async () => fs.promises === promises || typeof fs.promises.readFile);
await show("promises, access missing", () => promises.access(p("missing")));
await show("many at once", async () => {
  const names = Array.from({ length: 100 }, (_, i) => p(`m${i}`));
  await Promise.all(names.map((name, i) => promises.writeFile(name, String(i))));
  const texts = await Promise.all(names.map((name) => promises.readFile(name, "utf8")));
  names.forEach((name) => fs.unlinkSync(name));
  return texts.map(Number).reduce((a, b) => a + b);
});
await show("large", () => {
  const bytes = new Uint8Array(3_000_000).map((_, i) => i * 7);
  fs.writeFileSync(p("large"), bytes);
  const read = fs.readFileSync(p("large"));
  return [read.length, read.every((byte, i) => byte === bytes[i])];
});

// Paths.
await show("join", () => [path.join("a", "..", "b", "/c/"), path.normalize("/a/./b//../c"), path.dirname("/a/b"), path.basename("/a/b.txt", ".txt"), path.extname("x.tar.gz")]);
await show("resolve", () => [path.resolve("/a", "b", "../c"), path.isAbsolute("/a"), path.relative("/a/b", "/a/c/d"), path.sep]);
await show("parse", () => [path.parse("/a/b.txt"), path.format({ dir: "/a", base: "b" })]);
await show("dots", () => fs.readFileSync(p("./no/../a.txt"), "utf8"));
await show("URL", () => fs.readFileSync(new URL(`file://${p("a.txt")}`), "utf8"));
for (const name of ["cafe\u0301", "caf\u00e9", "\ufb01", "fi", "a\u200db", "dot.", "space ", "A.js", "a.js", "..%2f", "a\\b", "..."]) {
  await show(`name ${encodeURIComponent(name)}`, () => (fs.writeFileSync(p(name), name), fs.readFileSync(p(name), "utf8") === name));
}
await show("names", () => fs.readdirSync(here).length);
