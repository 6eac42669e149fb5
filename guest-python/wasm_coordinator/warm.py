"""Runs small programs before the snapshot, so that sessions start warm.

CPython specialises code that ran a few times and fills caches on the way. In
the snapshot this is done once for all sessions, and each of them writes to
fewer pages.
"""

from wit_world.imports import types as wit

# Enough rounds for every specialisation, of the interpreter's as of ours.
_ROUNDS = 40

_PROGRAMS = (
    "import json, math\nx = [n * 2 for n in range(3)]\nx",
    "import asyncio\nawait asyncio.sleep(0)\n1",
    "import asyncio\n"
    "async def main():\n"
    "    await asyncio.gather(asyncio.sleep(0), asyncio.sleep(0))\n"
    "asyncio.run(main())",
    "def f(d):\n    return d['a'] + 1\n\n"
    "try:\n    f({})\nexcept KeyError as e:\n    pass",
    "x = sorted({'b': 1, 'a': 2}.items())\nf'{x[0]} {len(x):>3}'",
    "raise ValueError('no')",
    "x = (",
    "import sys\nsys.exit(0)",
    "print(end='')",
)


def warm(guest):
    """Runs the programs and leaves nothing of them but what CPython cached."""
    for _ in range(_ROUNDS):
        for source in _PROGRAMS:
            program = wit.Program(source, "warm.py", wit.Language.PYTHON, [])
            guest.references(program)
            step = guest.run(program)
            while isinstance(step, wit.Step_Waiting):
                step = guest.resume([])
    guest.forget_programs()
