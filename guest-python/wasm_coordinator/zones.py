"""The time zones, from the package `tzdata`, without a file system."""

import io
import os
import zoneinfo
from zoneinfo import _common


class Zones:
    """What `pack` packed: the contents of each zone's file."""

    def __init__(self, index, data):
        # Name: (offset, length). Zones with the same rules share the bytes.
        self.index = index
        self._data = data

    def open(self, key):
        """A zone's file, as `zoneinfo` reads it."""
        place = self.index.get(key)
        if place is None:
            raise zoneinfo.ZoneInfoNotFoundError(f"No time zone found with key {key}")
        offset, length = place
        return io.BytesIO(self._data[offset : offset + length])


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
    return Zones(index, bytes(data))


def install(zones):
    """Makes `zoneinfo` use them."""
    _common.load_tzdata = zones.open
    zoneinfo._tzpath.available_timezones = lambda: set(zones.index)
    zoneinfo.available_timezones = zoneinfo._tzpath.available_timezones
    zoneinfo.reset_tzpath(to=())
