"""Makes what the snapshot has immortal, as CPython makes `None`.

Using an object changes its reference count, and with it a page of memory that
every session otherwise shares. An immortal object is not counted. CPython has
no function for that; so `note` leaves a list of the objects in memory, and
`flatten` sets their counts in the finished snapshot and empties the list.
"""

import gc
import struct
from types import CodeType

# How `flatten` finds the list. It is put together when it is needed, so that
# it is in memory only once.
_MARK = "wasm-coordinator", " immortal objects:"


def note():
    """The list of every object there is now, and the note where it is.

    Both have to stay alive until the snapshot: the list keeps its objects
    from being freed, so that no address in it can become another object's.
    """
    found = gc.get_objects()
    # What the collector tracks is in there once. The rest is what those refer
    # to, and each of them may be referred to often.
    seen = set()
    for thing in found:
        if type(thing) is CodeType:
            # Code objects do not tell the collector what they hold.
            inner = (
                thing.co_consts,
                thing.co_names,
                thing.co_filename,
                thing.co_name,
                thing.co_qualname,
                thing.co_linetable,
                thing.co_exceptiontable,
            )
        else:
            inner = gc.get_referents(thing)
        for thing in inner:
            if not gc.is_tracked(thing) and id(thing) not in seen:
                seen.add(id(thing))
                found.append(thing)
    return found, "".join(_MARK).encode() + struct.pack("<I", id(found))
