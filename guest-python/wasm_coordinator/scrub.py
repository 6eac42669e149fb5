"""Clears free memory before the snapshot, and closes its holes.

What was freed keeps its old contents, and the snapshot would carry them: the
source text of everything that was imported. So all free memory is taken once,
as zeros, which cost nothing in the artefact.

The small holes are not given back. A session would put its objects there, a
few on each of hundreds of pages, and every page that is written is one that
the sessions no longer share. In large holes, and above everything in use, the
same objects lie side by side.
"""

# How much free memory there may be above everything that is in use: what the
# building used in the end.
_ABOVE = 8 << 20

# A hole that has room for many objects on its pages may stay.
_LARGE = 1 << 14


def scrub(objects):
    """Takes all free memory. `objects` are all there are. What this returns
    has to stay alive; large holes and what is above are free again."""
    header = b"".__sizeof__()
    # A hole has something in use above it; what is not a hole is not below.
    highest = max(map(id, objects))
    taken = []
    above = 0
    # Large holes first: they would be cut up for small blocks.
    for size in (1 << 18, 1 << 15, 1 << 12, 1 << 10, *range(512, 32, -8)):
        while True:
            block = bytes(size - header)
            taken.append(block)
            if id(block) > highest:
                above += size
                if above >= _ABOVE:
                    break
    return [block for block in taken if id(block) <= highest and len(block) < _LARGE]
