"""The standard library.

What programs commonly import is imported before the snapshot, once for all:
it is neither read again nor made anew. It is in here as compressed text, for
whoever loads a second copy or asks for the source. The rest is in here as
compressed code objects, one by one, so that a late import needs no file system
and no parser; its text would be as large again, and is left out.
"""

import marshal
import os
import sys
import zlib
from importlib.machinery import ModuleSpec
from importlib.util import decode_source

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
    # The folder `stand_ins` has one in its place.
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


# What imports everything else, and is part of the interpreter.
_FROZEN = {"importlib._bootstrap", "importlib._bootstrap_external", "zipimport"}

# Modules in place of those that need a C library, by the names of their files,
# but for those that `preload` imports.
_STAND_INS = {
    "_ssl": "_ssl",
    "ctypes": "ctypes",
    "ctypes_util": "ctypes.util",
    "ctypes_wintypes": "ctypes.wintypes",
}


class Library:
    """Finds and loads what `pack` packed, and what it found loaded."""

    def __init__(self, code, source, data):
        # Name: (offset, length, whether it is a package).
        self._code = code
        self._source = source
        self._data = data
        self._loaded = {}

    def keep_loaded(self):
        """Remembers the modules there are, for programs that drop one from
        `sys.modules` and import it again."""
        self._loaded = dict(sys.modules)

    def adopt(self):
        """Becomes the loader of the modules whose text it has: the files they
        came from are not there when programs run."""
        for name in self._source:
            module = sys.modules[name]
            module.__loader__ = self
            if module.__spec__ is not None:
                module.__spec__.loader = self
            # There is no byte code either.
            module.__dict__.pop("__cached__", None)

    def find_spec(self, name, path=None, target=None):
        entry = self._code.get(name) or self._source.get(name)
        if entry is None:
            loaded = self._loaded.get(name)
            if loaded is None:
                return None
            spec = ModuleSpec(name, self, is_package=hasattr(loaded, "__path__"))
            if spec.submodule_search_locations is not None:
                spec.submodule_search_locations = list(loaded.__path__)
            return spec
        package = entry[2]
        origin = self.get_filename(name)
        spec = ModuleSpec(name, self, origin=origin, is_package=package)
        spec.has_location = True
        if package:
            spec.submodule_search_locations = [os.path.dirname(origin)]
        return spec

    def create_module(self, spec):
        loaded = self._loaded.get(spec.name)
        if loaded is None or spec.name not in self._source:
            return loaded
        # An import gives the module that there is, with all that depends on
        # it. Who makes a module of the same specification wants another one.
        importing = sys._getframe(2).f_code.co_name == "_load_unlocked"
        return loaded if importing else None

    def exec_module(self, module):
        name = module.__name__
        if module is self._loaded.get(name):
            return
        exec(self.get_code(name), module.__dict__)

    def get_code(self, name):
        entry = self._code.get(name)
        if entry is not None:
            return marshal.loads(self._unpacked(entry))
        source = self.get_source(name)
        if source is None:
            return None
        return compile(source, self.get_filename(name), "exec", dont_inherit=True)

    def get_source(self, name):
        entry = self._source.get(name)
        return None if entry is None else decode_source(self._unpacked(entry))

    def get_filename(self, name):
        file = f"{HOME}/{name.replace('.', '/')}"
        return f"{file}/__init__.py" if self.is_package(name) else f"{file}.py"

    def is_package(self, name):
        entry = self._code.get(name) or self._source.get(name)
        if entry is None:
            raise ImportError(f"no module named {name!r} in here", name=name)
        return entry[2]

    def _unpacked(self, entry):
        offset, length, _ = entry
        return zlib.decompress(self._data[offset : offset + length])


def pack(root):
    """Packs every module below `root`: the text of those that are loaded, the
    code of the others, and of what stands in for some."""
    code = {}
    source = {}
    data = bytearray()

    def add(index, name, package, content):
        packed = zlib.compress(content, 9)
        index[name] = len(data), len(packed), package
        data.extend(packed)

    def add_code(name, path, package):
        shown = f"{HOME}/{name.replace('.', '/')}"
        shown += "/__init__.py" if package else ".py"
        # Without docstrings: they are a quarter of the size.
        compiled = compile(_read(path), shown, "exec", dont_inherit=True, optimize=2)
        add(code, name, package, marshal.dumps(compiled))

    for name, path, package in _modules(root, ""):
        if name not in sys.modules:
            add_code(name, path, package)
        elif name not in _FROZEN:
            add(source, name, package, _read(path))
    folder = os.path.join(os.path.dirname(__file__), "stand_ins")
    for file, name in _STAND_INS.items():
        add_code(name, f"{folder}/{file}.py", name == "ctypes")
    return Library(code, source, memoryview(bytes(data)))


def _read(path):
    with open(path, "rb") as file:
        return file.read()


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
