# What a program does with files, and what comes of it, line by line. Run with
# the folder to work in, natively and in the sandbox: the lines must be the same
# but for those that docs/files.md lists.
import array
import csv
import errno
import filecmp
import fileinput
import glob
import gzip
import io
import json
import os
import pathlib
import pickle
import shelve
import shutil
import sqlite3
import stat
import sys
import tarfile
import tempfile
import zipfile

os.chdir(sys.argv[1])
HERE = os.getcwd()


def show(label, work):
    try:
        value = work()
    except OSError as e:
        value = f"{type(e).__name__} {errno.errorcode.get(e.errno, e.errno)}"
    except Exception as e:
        value = f"{type(e).__name__}"
    print(f"{label}: {str(value).replace(HERE, 'HERE')}")


def text(path):
    with open(path) as f:
        return f.read()


def write(path, value, mode="w"):
    with open(path, mode) as f:
        return f.write(value)


def with_mode(mode, path="modes"):
    def work():
        with open(path, mode) as f:
            seen = [f.readable(), f.writable(), f.tell()]
            if f.writable():
                seen.append(f.write(b"xy" if "b" in mode else "xy"))
            if f.readable():
                f.seek(0)
                seen.append(f.read())
            return seen
    return work


# Open modes.
for mode in ["r", "r+", "x", "a", "a+", "r", "rb", "r+b", "w", "w+", "wb", "w+b", "ab", "a+b", "xb", "q"]:
    show(f"open {mode}", with_mode(mode))
show("open r of a folder", lambda: open("."))
show("open w of a folder", lambda: open(".", "w"))
show("open below a file", lambda: open("modes/x"))
show("open below nothing", lambda: open("no/x", "w"))
show("open with a slash", lambda: open("modes/"))
show("open empty", lambda: open(""))
show("open nul", lambda: open("a\0b"))
show("open long", lambda: open("n" * 256, "w"))
show("open longest", lambda: write("n" * 255, "x"))
show("open long path", lambda: open("./" * 2100 + "x", "w"))
os.remove("n" * 255)

# One handle.
with open("handle", "w+b", buffering=0) as f:
    show("write", lambda: f.write(b"0123456789"))
    show("seek", lambda: (f.seek(3), f.read(2), f.tell()))
    show("seek from end", lambda: (f.seek(-2, 2), f.read()))
    show("seek before start", lambda: f.seek(-1))
    show("seek far", lambda: (f.seek(20), f.write(b"z"), os.fstat(f.fileno()).st_size))
    show("hole", lambda: (f.seek(8), f.read()))
    show("truncate", lambda: (f.truncate(4), f.seek(0), f.read()))
    show("truncate longer", lambda: (f.truncate(6), f.seek(0), f.read()))
    show("readinto", lambda: (f.seek(0), f.readinto(bytearray(4))))
    show("pread", lambda: os.pread(f.fileno(), 3, 1))
    show("pwrite", lambda: (os.pwrite(f.fileno(), b"PW", 1), os.pread(f.fileno(), 10, 0)))
    show("fsync", lambda: os.fsync(f.fileno()))
    show("isatty", lambda: f.isatty())
with open("vectors", "w+b", buffering=0) as v:
    show("writev", lambda: os.writev(v.fileno(), [b"ab", b"cd"]))
    show("readv", lambda: (v.seek(0), os.readv(v.fileno(), [bytearray(2), bytearray(2)])))
os.remove("vectors")
show("closed", lambda: f.read())
show("os.close twice", lambda: (fd := os.open("handle", os.O_RDONLY), os.close(fd), os.close(fd)))
show("write to a reader", lambda: os.write(os.open("handle", os.O_RDONLY), b"x"))
show("read from a writer", lambda: os.read(os.open("handle", os.O_WRONLY), 1))
show("O_EXCL", lambda: os.open("handle", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
show("O_DIRECTORY", lambda: os.open("handle", os.O_RDONLY | os.O_DIRECTORY))
show("append always at end", lambda: (fd := os.open("handle", os.O_APPEND | os.O_WRONLY), os.lseek(fd, 0, 0), os.write(fd, b"E"), text("handle")[-1])[1:])

# Text.
show("newlines", lambda: (write("nl", "a\nb\r\nc\r"), open("nl").read(), open("nl", newline="").read()))
show("encoding", lambda: (open("enc", "w", encoding="utf-16").write("é"), os.path.getsize("enc")))
show("bad encoding", lambda: (write("bad", b"\xff", "wb"), open("bad", encoding="utf-8").read()))
show("lines", lambda: (write("lines", "one\ntwo\nthree"), list(open("lines"))))
show("fileinput", lambda: [line for line in fileinput.input(["lines"])])
show("buffered", lambda: io.BufferedReader(io.FileIO("lines")).peek(3)[:3])

# pathlib.
p = pathlib.Path("a/b/c")
show("mkdir", lambda: p.mkdir())
show("mkdir parents", lambda: p.mkdir(parents=True))
show("mkdir again", lambda: p.mkdir())
show("mkdir exist_ok", lambda: p.mkdir(parents=True, exist_ok=True))
show("write_text", lambda: (p / "x.txt").write_text("hello\n"))
show("read_text", lambda: (p / "x.txt").read_text())
show("exists", lambda: (p.exists(), p.is_dir(), p.is_file(), p.is_symlink(), (p / "no").exists()))
show("iterdir", lambda: sorted(map(str, pathlib.Path("a").iterdir())))
show("rglob", lambda: sorted(map(str, pathlib.Path(".").rglob("*.txt"))))
show("resolve", lambda: pathlib.Path("a/../a/./b").resolve())
show("suffix", lambda: ((p / "x.txt").suffix, (p / "x.txt").stem))
show("touch", lambda: ((p / "t").touch(), (p / "t").stat().st_size))
show("touch again", lambda: (p / "t").touch(exist_ok=False))
show("unlink missing", lambda: (p / "no").unlink())
show("unlink missing_ok", lambda: (p / "no").unlink(missing_ok=True))
show("rename", lambda: (p / "t").rename(p / "u"))
show("replace", lambda: (p / "u").replace(p / "x.txt"))
show("rmdir full", lambda: p.rmdir())
show("open dir as file", lambda: p.read_text())

# os.
for i, (d, ds, fs) in enumerate(os.walk(".")):
    ds.sort()
    show(f"walk {i}", lambda: (d, ds, sorted(fs)))
show("walk up", lambda: [d for d, _, _ in os.walk("a", topdown=False)])
show("scandir", lambda: sorted((e.name, e.is_dir(), e.is_file(), e.is_symlink()) for e in os.scandir("a")))
show("scandir stat", lambda: sorted((e.name, e.stat().st_size) for e in os.scandir(".") if e.is_file()))
show("scandir inode", lambda: all(e.inode() == os.stat(e.path).st_ino for e in os.scandir(".")))
show("listdir file", lambda: os.listdir("handle"))
show("listdir missing", lambda: os.listdir("missing"))
show("glob", lambda: sorted(glob.glob("**/*.txt", recursive=True)))
show("glob hidden", lambda: (write(".hidden", ""), glob.glob("*hidden"), glob.glob(".h*")))
show("rename over file", lambda: (write("r1", "1"), write("r2", "2"), os.rename("r1", "r2"), text("r2")))
show("rename missing", lambda: os.rename("missing", "r3"))
show("rename file over folder", lambda: os.rename("r2", "a"))
show("rename folder over file", lambda: os.rename("a", "r2"))
show("rename into itself", lambda: os.rename("a", "a/b/z"))
show("rename folder over full", lambda: (os.mkdir("m"), os.rename("m", "a")))
show("rename full over empty", lambda: (os.rename("a", "m"), os.rename("m", "a")))
show("renames", lambda: (os.renames("r2", "new/deep/r2"), os.path.exists("new/deep/r2")))
show("remove folder", lambda: os.remove("a"))
show("remove missing", lambda: os.remove("missing"))
show("rmdir file", lambda: os.rmdir("handle"))
show("rmdir missing", lambda: os.rmdir("missing"))
show("removedirs", lambda: (os.makedirs("q/r/s"), os.removedirs("q/r/s"), os.path.exists("q")))
show("makedirs over file", lambda: os.makedirs("handle/x"))
show("mkdir over file", lambda: os.mkdir("handle"))
show("truncate", lambda: (os.truncate("lines", 3), text("lines")))
show("utime", lambda: (os.utime("lines", (1.5, 1234567890.25)), os.stat("lines").st_mtime, os.stat("lines").st_atime))
show("utime ns", lambda: (os.utime("lines", ns=(7, 8)), os.stat("lines").st_mtime_ns))
show("utime before 1970", lambda: (os.utime("lines", (-1, -1)), os.stat("lines").st_mtime))
show("utime missing", lambda: os.utime("missing"))
show("stat", lambda: (lambda s: (stat.S_ISREG(s.st_mode), s.st_size, s.st_nlink))(os.stat("lines")))
show("stat folder", lambda: stat.S_ISDIR(os.stat("a").st_mode))
show("stat missing", lambda: os.stat("missing"))
show("stat below file", lambda: os.stat("handle/x"))
show("lstat", lambda: os.lstat("lines").st_size)
show("access", lambda: (os.access("lines", os.R_OK), os.access("lines", os.W_OK), os.access("missing", os.F_OK)))
show("mode", lambda: oct(stat.S_IMODE(os.stat("lines").st_mode)))
show("chmod", lambda: (os.chmod("lines", 0o600), oct(stat.S_IMODE(os.stat("lines").st_mode))))
show("symlink", lambda: (os.symlink("lines", "sym"), os.readlink("sym"), os.remove("sym")))
show("link", lambda: (os.link("lines", "hard"), os.remove("hard")))
show("readlink", lambda: os.readlink("lines"))
show("mkfifo", lambda: (os.mkfifo("fifo"), os.remove("fifo")))
show("samefile", lambda: (os.path.samefile("lines", "./a/../lines"), os.path.samefile("lines", "handle")))
show("realpath", lambda: os.path.realpath("a/../lines"))
show("abspath", lambda: os.path.abspath("lines"))
show("getcwd", lambda: os.getcwd())
show("chdir", lambda: (os.chdir("a"), os.getcwd(), os.listdir("."), os.chdir("..")))
show("chdir up", lambda: (os.chdir("a/../a/."), os.getcwd(), os.chdir(".."), os.getcwd()))
show("chdir up from nothing", lambda: os.chdir("missing/.."))
show("chdir missing", lambda: os.chdir("missing"))
show("chdir file", lambda: os.chdir("lines"))
show("removed while open", lambda: (f := open("lines"), os.remove("lines"), f.read(), os.path.exists("lines"))[1:])
show("unlinked links", lambda: (f := open("tmp1", "w"), os.remove("tmp1"), os.fstat(f.fileno()).st_nlink)[1:])
show("umask", lambda: os.umask(0o022) >= 0)
show("dup", lambda: (fd := os.open("handle", os.O_RDONLY), d := os.dup(fd), os.read(fd, 1), os.read(d, 1))[2:])
show("sendfile", lambda: (shutil.copyfile("handle", "copied"), filecmp.cmp("handle", "copied", shallow=False)))
show("up from root", lambda: os.path.exists("/.."))

# shutil, tempfile.
show("copytree", lambda: shutil.copytree("a", "copy"))
show("copytree again", lambda: shutil.copytree("a", "copy"))
show("copytree over", lambda: shutil.copytree("a", "copy", dirs_exist_ok=True))
show("copy", lambda: (shutil.copy("handle", "copy"), sorted(os.listdir("copy"))))
show("copy2", lambda: (os.utime("handle", (5, 5)), shutil.copy2("handle", "handle2"), os.stat("handle2").st_mtime))
show("copy onto itself", lambda: shutil.copy("handle", "handle"))
show("move", lambda: (shutil.move("copy", "moved"), sorted(os.listdir("moved"))))
show("move into folder", lambda: shutil.move("handle2", "moved"))
show("rmtree", lambda: (shutil.rmtree("moved"), os.path.exists("moved")))
show("rmtree missing", lambda: shutil.rmtree("moved"))
show("rmtree file", lambda: shutil.rmtree("handle"))
show("make_archive", lambda: (shutil.make_archive("arch", "zip", "a"), shutil.unpack_archive("arch.zip", "unpacked"), sorted(os.listdir("unpacked/b/c"))))
show("disk_usage", lambda: shutil.disk_usage(".").total > 0)
with tempfile.TemporaryDirectory(dir=".") as d:
    show("TemporaryDirectory", lambda: (write(os.path.join(d, "t"), "1"), os.listdir(d)))
show("TemporaryDirectory gone", lambda: os.path.exists(d))
with tempfile.NamedTemporaryFile() as f:
    show("NamedTemporaryFile", lambda: (f.write(b"12"), f.flush(), os.path.getsize(f.name), f.name.startswith("/tmp/")))
show("NamedTemporaryFile gone", lambda: os.path.exists(f.name))
with tempfile.TemporaryFile() as f:
    show("TemporaryFile", lambda: (f.write(b"abc"), f.seek(0), f.read()))
with tempfile.SpooledTemporaryFile(max_size=4) as f:
    show("SpooledTemporaryFile", lambda: (f.write(b"more than four"), f.seek(0), f.read()))
show("mkstemp", lambda: (t := tempfile.mkstemp(), os.write(t[0], b"x"), os.remove(t[1]))[1:])
show("gettempdir", lambda: tempfile.gettempdir())

# Formats.
show("csv", lambda: (csv.writer(open("c.csv", "w", newline="")).writerows([[1, "a,b"], ['q"', "new\nline"]]), list(csv.reader(open("c.csv", newline="")))))
show("DictReader", lambda: (write("d.csv", "id,total\n1,20\n2,30\n"), [row["total"] for row in csv.DictReader(open("d.csv"))]))
show("json", lambda: (json.dump({"a": [1, None]}, open("j", "w")), json.load(open("j"))))
show("pickle", lambda: (pickle.dump({1: 2}, open("p", "wb")), pickle.load(open("p", "rb"))))
show("array", lambda: (array.array("i", [1, 2, 3]).tofile(open("arr", "wb")), os.path.getsize("arr")))
show("gzip", lambda: (gzip.open("g.gz", "wt").write("z" * 1000), gzip.open("g.gz", "rt").read() == "z" * 1000))
show("bz2", lambda: len(__import__("bz2").compress(b"z" * 1000)))


def zipped():
    os.utime("handle")
    with zipfile.ZipFile("z.zip", "w", zipfile.ZIP_DEFLATED) as z:
        z.write("handle")
        z.writestr("n/m.txt", "n" * 1000)
    with zipfile.ZipFile("z.zip", "a") as z:
        z.writestr("more", "more")
    with zipfile.ZipFile("z.zip") as z:
        z.extractall("out")
        return z.namelist(), z.testzip(), z.read("n/m.txt") == b"n" * 1000, sorted(os.listdir("out"))


def tarred():
    with tarfile.open("t.tar.gz", "w:gz") as t:
        t.add("a")
    with tarfile.open("t.tar.gz") as t:
        t.extractall("untarred", filter="data")
        return sorted(t.getnames()), os.listdir("untarred")


show("zipfile", zipped)
show("zip slip", lambda: (zipfile.ZipFile("slip.zip", "w").writestr("../../slipped", "x"), zipfile.ZipFile("slip.zip").extractall("slip"), os.path.exists("../slipped"))[2])
show("tarfile", tarred)
show("shelve", lambda: (lambda s: (s.__setitem__("k", [1]), s["k"], s.close()))(shelve.open("shelf"))[1])


# SQLite on a file.
def database():
    db = sqlite3.connect("db.sqlite")
    db.execute("create table t(a integer primary key, b text)")
    with db:
        db.executemany("insert into t(b) values(?)", [(f"row {i}",) for i in range(2000)])
    yield db.execute("select count(*), max(length(b)) from t").fetchone()
    with db:
        db.execute("update t set b = b || '!' where a % 2 = 0")
    db.execute("vacuum")
    yield db.execute("pragma integrity_check").fetchone()
    for mode in ["truncate", "persist", "memory", "wal", "delete"]:
        yield mode, db.execute(f"pragma journal_mode={mode}").fetchone()
        with db:
            db.execute("insert into t(b) values('x')")
    try:
        with db:
            db.execute("delete from t")
            raise KeyError
    except KeyError:
        yield "rolled back", db.execute("select count(*) from t").fetchone()
    db.close()
    two, three = sqlite3.connect("db.sqlite"), sqlite3.connect("db.sqlite")
    with two:
        two.execute("insert into t(b) values('two')")
    yield three.execute("select b from t order by a desc limit 1").fetchone()
    two.execute("attach 'other.sqlite' as o")
    two.execute("create table o.u as select * from t limit 3")
    two.commit()
    yield two.execute("select count(*) from o.u").fetchone()
    two.backup(sqlite3.connect("backup.sqlite"))
    yield os.path.getsize("backup.sqlite") == os.path.getsize("db.sqlite")


for i, seen in enumerate(database()):
    show(f"sqlite {i}", lambda: seen)
show("sqlite busy", lambda: (o := sqlite3.connect("lock.sqlite", timeout=0), o.execute("create table t(a)"), o.execute("begin exclusive"), sqlite3.connect("lock.sqlite", timeout=0).execute("select * from t").fetchall())[3])
shutil.rmtree("lock.sqlite.lock", ignore_errors=True)

# Names.
for name in ["cafe\u0301", "caf\u00e9", "\ufb01", "fi", "a\u200db", "\u202ex", "dot.", "space ", "new\nline", "A.py", "a.py", "..%2f", "a\\b", "..."]:
    show(f"name {ascii(name)}", lambda: (write(name, name), text(name) == name))
show("names", lambda: ascii(sorted(n for n in os.listdir(".") if not n.startswith(("shelf", "untarred")))))
show("bytes", lambda: sorted(os.listdir(b"a")))
show("name of bytes", lambda: (write(b"bytes", "x"), os.path.exists("bytes")))
show("many", lambda: (os.mkdir("many"), [write(f"many/{i}", "") for i in range(500)] and len(os.listdir("many"))))
show("removed while listed", lambda: ([os.remove(e.path) for e in os.scandir("many")] and os.rmdir("many")))
show("large", lambda: (write("large", bytes(range(256)) * 20000, "wb"), open("large", "rb").read() == bytes(range(256)) * 20000))
show("deep", lambda: (os.makedirs("/".join(["deep"] * 40)), shutil.rmtree("deep")))
