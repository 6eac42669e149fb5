"""What is in the snapshot: modules that programs commonly import, and the
settings of the interpreter that they find.
"""

import importlib
import os
import sys
import zipimport
from importlib.machinery import (
    BuiltinImporter,
    FileFinder,
    FrozenImporter,
    PathFinder,
    SourceFileLoader,
)

from . import console, library, zones
from .stand_ins import _bz2, _lzma

# Imported before the snapshot. Everything else costs its price when a program
# imports it.
_MODULES = """
bz2 lzma
__future__ abc argparse array ast asyncio base64 bisect builtins calendar cmath
codecs collections collections.abc concurrent.futures contextlib contextvars
copy copyreg csv dataclasses datetime decimal difflib dis encodings.ascii
encodings.latin_1 encodings.utf_16 encodings.utf_8_sig enum errno fnmatch
fractions functools gc glob graphlib gzip hashlib heapq hmac html html.entities
html.parser inspect io ipaddress itertools json keyword linecache locale
logging math numbers operator os os.path pathlib pickle platform pprint queue
random re reprlib secrets selectors shlex shutil signal socket sqlite3 stat
statistics string string.templatelib struct subprocess sys tempfile textwrap
threading time token tokenize tomllib traceback types typing unicodedata
urllib.error urllib.parse uuid warnings weakref xml.etree.ElementTree zipfile
zlib zoneinfo concurrent.futures.thread _strptime annotationlib
""".split()

# Where modules of the author are looked for, last of all.
WORKSPACE = "/workspace"

# Where files describe the tools. The modules of that name are made by
# `servers`.
STUBS = "/servers"


class _SourceLoader(SourceFileLoader):
    """Loads source files, and neither reads nor writes byte code: a folder
    that anything can write to is no place to take it from."""

    def path_stats(self, path):
        raise OSError


def _refuse_stubs(path):
    """A path hook that takes the files below `/servers` for what they are: to
    be read. Code of them does nothing, and says nothing about it."""
    path = os.path.normpath(os.path.join(WORKSPACE, path))
    if path == STUBS or path.startswith(f"{STUBS}/"):
        return _Nothing
    raise ImportError


class _Nothing:
    """Finds nothing in a folder."""

    @staticmethod
    def find_spec(name, target=None):
        return None


_chdir = os.chdir


def chdir(path):
    """Changes the working directory."""
    _chdir(path)
    # The C library keeps the path as it was written, `/workspace/a/..`. There
    # are no links, so that its short form is the same place.
    _chdir(os.path.normpath(os.getcwd()))


def load():
    """Imports what is imported, packs what is not."""
    # First: others, such as `zipfile`, look once whether they are there.
    sys.modules.update(_bz2=_bz2, _lzma=_lzma)
    for name in _MODULES:
        importlib.import_module(name)
    rest = library.pack(library.HOME)
    rest.adopt()
    packed_zones = zones.pack()
    zones.install(packed_zones)
    console.install()
    os.chdir = chdir
    sys.dont_write_bytecode = True
    sys.path[:] = [WORKSPACE]
    # Folders first: most places are folders. Byte code of an archive is as
    # little to be taken as that of a folder.
    folders = FileFinder.path_hook((_SourceLoader, [".py"]))
    sys.path_hooks[:] = [_refuse_stubs, folders, zipimport.zipimporter]
    zipimport._zip_searchorder = tuple(
        place for place in zipimport._zip_searchorder if not place[1]
    )
    sys.meta_path[:] = [
        BuiltinImporter,
        FrozenImporter,
        rest,
        packed_zones,
        PathFinder,
    ]


def settle():
    """Removes what the building left behind."""
    os.environ.clear()
    sys.argv = [""]
    # There was no workspace while we built, and that is remembered here.
    sys.path_importer_cache.clear()
    sys.modules.pop("__main__", None)
    for finder in sys.meta_path:
        if isinstance(finder, library.Library):
            finder.keep_loaded()
