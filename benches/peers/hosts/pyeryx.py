"""Sandboxes and sessions of `pyeryx`."""

import asyncio
import sys

import eryx

import host


async def nap():
    await asyncio.sleep(0.01)
    return 1


CALLBACKS = [
    {"name": "noop", "fn": lambda x: 1, "description": "answers at once"},
    {"name": "nap", "fn": nap, "description": "answers after 10 ms"},
    {"name": "table", "fn": lambda: host.TABLE, "description": "answers with JSON"},
]


def fresh(code):
    return eryx.Sandbox().execute(code).stdout_text


def open():
    return eryx.Session(callbacks=CALLBACKS)


def run(session, code):
    return session.execute(code).stdout_text


def close(session):
    pass


if __name__ == "__main__":
    host.main(sys.modules[__name__])
