"""The time zones, from the package `tzdata`, without a file system: for
`zoneinfo`, and as the package `tzdata` for code that reads its files."""

import io
import os
import sys
import zoneinfo
from importlib.machinery import ModuleSpec
from zoneinfo import _common

_PACKAGE = "tzdata"
_FOLDER = "zoneinfo"
_LIST = "zones"

# Where the package says it is. Nothing is there when programs run.
_HOME = "/python"


class Zones:
    """What `pack` packed: the contents of each zone's file. It is also the
    importer of the package, which has nothing but files."""

    def __init__(self, index, data, version):
        # Name: (offset, length). Zones with the same rules share the bytes.
        self.index = index
        self._data = data
        self._version = version

    def open(self, key):
        """A zone's file, as `zoneinfo` reads it."""
        content = self.content(key)
        if content is None:
            raise zoneinfo.ZoneInfoNotFoundError(f"No time zone found with key {key}")
        return io.BytesIO(content)

    def content(self, key):
        """The bytes of a zone's file, or None."""
        place = self.index.get(key)
        if place is None:
            return None
        offset, length = place
        return self._data[offset : offset + length]

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] != _PACKAGE:
            return None
        if not self.file("/".join(name.split(".")[1:])).is_dir():
            return None
        spec = ModuleSpec(name, self, is_package=True)
        spec.origin = f"{_HOME}/{name.replace('.', '/')}/__init__.py"
        spec.has_location = True
        return spec

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        if module.__name__ == _PACKAGE:
            module.IANA_VERSION = module.__version__ = self._version

    def file(self, path):
        return _File(self, path)

    def get_data(self, path):
        """For `pkgutil.get_data`."""
        return self.file(path.removeprefix(f"{_HOME}/{_PACKAGE}/")).read_bytes()

    def get_resource_reader(self, name):
        """For `importlib.resources`."""
        return _Reader(self.file("/".join(name.split(".")[1:])))


class _Reader:
    """What `importlib.resources` asks for the files of a package."""

    def __init__(self, folder):
        self._folder = folder

    def files(self):
        return self._folder


class _File:
    """A file or folder of the package, as `importlib.resources` has them."""

    def __init__(self, zones, path):
        self._zones = zones
        self._path = path

    @property
    def name(self):
        return self._path.rpartition("/")[2] or _PACKAGE

    def __repr__(self):
        return f"<{_PACKAGE}/{self._path}>"

    def _content(self):
        if self._path == _LIST:
            return "".join(f"{name}\n" for name in self._zones.index).encode()
        folder, _, key = self._path.partition("/")
        return self._zones.content(key) if folder == _FOLDER else None

    def _names(self):
        """What is in this folder; nothing if it is none."""
        if not self._path:
            return {_FOLDER, _LIST}
        before = f"{self._path}/"
        paths = (f"{_FOLDER}/{key}" for key in self._zones.index)
        return {
            path.removeprefix(before).partition("/")[0]
            for path in paths
            if path.startswith(before)
        }

    def is_file(self):
        return self._content() is not None

    def is_dir(self):
        return bool(self._names())

    def iterdir(self):
        return iter([self / name for name in sorted(self._names())])

    def joinpath(self, *parts):
        path = os.path.normpath("/".join(["", self._path, *map(str, parts)]))
        return _File(self._zones, path.lstrip("/"))

    __truediv__ = joinpath

    def read_bytes(self):
        content = self._content()
        if content is None:
            raise FileNotFoundError(f"no file {self._path!r:.200} in `{_PACKAGE}`")
        return content

    def read_text(self, encoding="utf-8", errors="strict"):
        return self.read_bytes().decode(encoding or "utf-8", errors or "strict")

    def open(self, mode="r", encoding=None, errors=None):
        if "b" in mode:
            return io.BytesIO(self.read_bytes())
        return io.StringIO(self.read_text(encoding, errors))


def pack():
    """Reads every zone of the package."""
    import tzdata

    root = os.path.dirname(tzdata.__file__)
    with open(f"{root}/zones") as file:
        names = file.read().split()
    index = {}
    data = bytearray()
    places = {}
    for name in names:
        with open(f"{root}/zoneinfo/{name}", "rb") as file:
            content = file.read()
        place = places.get(content)
        if place is None:
            place = places[content] = len(data), len(content)
            data += content
        index[name] = place
    packed = Zones(index, bytes(data), tzdata.IANA_VERSION)
    # The folder that it came from is not there when programs run.
    for name in [name for name in sys.modules if name.split(".")[0] == _PACKAGE]:
        del sys.modules[name]
    return packed


def install(zones):
    """Makes `zoneinfo` use them."""
    _common.load_tzdata = zones.open
    zoneinfo._tzpath.available_timezones = lambda: set(zones.index)
    zoneinfo.available_timezones = zoneinfo._tzpath.available_timezones
    zoneinfo.reset_tzpath(to=())
