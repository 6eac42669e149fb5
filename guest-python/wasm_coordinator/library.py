"""The standard library.

What programs commonly import is imported before the snapshot, once for all:
it is neither read again nor made anew. The rest is in here as compressed code
objects, one by one, so that a late import needs no file system and no parser.
Only code: the text of the standard library is not in the guest.
"""

import marshal
import os
import sys
import zlib
from importlib.machinery import ModuleSpec

# Where the standard library says it is. Nothing is there when programs run.
HOME = "/python"

# What needs a terminal, a display, processes or another operating system, and
# what is for building Python itself.
_LEFT_OUT = {
    "__hello__",
    "__phello__",
    "_aix_support",
    "_android_support",
    "_apple_support",
    "_ios_support",
    "_osx_support",
    "_pydatetime",
    "_pydecimal",
    "_pyio",
    "_sysconfigdata__wasi_wasm32-wasi",
    "config-3.14-wasm32-wasi",
    "ctypes",
    "curses",
    "ensurepip",
    "idlelib",
    "pty",
    "site-packages",
    "tkinter",
    "tty",
    "turtle",
    "turtledemo",
    "venv",
    "webbrowser",
}


class Library:
    """Finds and loads what `pack` packed, and what it found loaded."""

    def __init__(self, index, data):
        # Name: (offset, length, whether it is a package).
        self._index = index
        self._data = data
        self._loaded = {}

    def keep_loaded(self):
        """Remembers the modules there are, for programs that drop one from
        `sys.modules` and import it again."""
        self._loaded = dict(sys.modules)

    def find_spec(self, name, path=None, target=None):
        entry = self._index.get(name)
        if entry is None:
            loaded = self._loaded.get(name)
            if loaded is None:
                return None
            spec = ModuleSpec(name, self, is_package=hasattr(loaded, "__path__"))
            if spec.submodule_search_locations is not None:
                spec.submodule_search_locations = list(loaded.__path__)
            return spec
        file = f"{HOME}/{name.replace('.', '/')}"
        package = entry[2]
        origin = f"{file}/__init__.py" if package else f"{file}.py"
        spec = ModuleSpec(name, self, origin=origin, is_package=package)
        spec.has_location = True
        if package:
            spec.submodule_search_locations = [file]
        return spec

    def create_module(self, spec):
        return self._loaded.get(spec.name)

    def exec_module(self, module):
        if module.__name__ in self._loaded:
            return
        exec(self.get_code(module.__name__), module.__dict__)

    def get_code(self, name):
        offset, length, _ = self._index[name]
        return marshal.loads(zlib.decompress(self._data[offset : offset + length]))

    def get_source(self, name):
        return None

    def is_package(self, name):
        return self._index[name][2]


def pack(root):
    """Compiles every module below `root` that is not loaded yet."""
    index = {}
    data = bytearray()
    for name, path, package in _modules(root, ""):
        if name in sys.modules:
            continue
        with open(path, "rb") as file:
            source = file.read()
        shown = HOME + path.removeprefix(root)
        # Without docstrings: they are a quarter of the size.
        code = compile(source, shown, "exec", dont_inherit=True, optimize=2)
        packed = zlib.compress(marshal.dumps(code), 9)
        index[name] = len(data), len(packed), package
        data += packed
    return Library(index, memoryview(bytes(data)))


def _modules(folder, prefix):
    for entry in sorted(os.listdir(folder)):
        stem, extension = os.path.splitext(entry)
        path = f"{folder}/{entry}"
        if not prefix and (entry in _LEFT_OUT or stem in _LEFT_OUT):
            continue
        if os.path.isdir(path):
            first = f"{path}/__init__.py"
            if entry != "__pycache__" and os.path.exists(first):
                yield prefix + entry, first, True
                yield from _modules(path, f"{prefix}{entry}.")
        elif extension == ".py" and stem != "__init__":
            yield prefix + stem, path, False
