"""A session in a process of native Python: programs come in through its stdin, and
so do the answers of tools. What a program prints goes out when it has ended."""

import asyncio
import contextlib
import io
import json
import os
import sys


def say(message):
    OUT.write(json.dumps(message) + "\n")
    OUT.flush()


def noop(x):
    say({"call": 0, "tool": "noop", "arguments": {"x": x}})
    return json.loads(sys.stdin.readline())["value"]


def table():
    say({"call": 0, "tool": "table", "arguments": {}})
    return json.loads(sys.stdin.readline())["value"]


waiting = {}
unread = b""


async def nap():
    loop = asyncio.get_running_loop()
    if not waiting:
        loop.add_reader(0, answered)
    future = loop.create_future()
    key = len(waiting)
    waiting[key] = future
    say({"call": key, "tool": "nap", "arguments": {}})
    return await future


def answered():
    """Nothing else comes while calls wait, so the buffer of `sys.stdin` is empty."""
    global unread
    *lines, unread = (unread + os.read(0, 1 << 16)).split(b"\n")
    for message in map(json.loads, lines):
        waiting[message["answer"]].set_result(message["value"])


async def run(code):
    # `await` at the outermost level.
    flag = 0x2000
    result = eval(compile(code, "program", "exec", flags=flag), NAMES)
    if asyncio.iscoroutine(result):
        await result


OUT = sys.stdout
NAMES = {"noop": noop, "nap": nap, "table": table, "__name__": "__main__"}


def main():
    while line := sys.stdin.readline():
        printed = io.StringIO()
        code = json.loads(line)["code"]
        error = None
        with contextlib.redirect_stdout(printed):
            try:
                if "await" in code:
                    asyncio.run(run(code))
                    waiting.clear()
                else:
                    exec(code, NAMES)
            except Exception as problem:
                error = f"{type(problem).__name__}: {problem}"
        say({"printed": printed.getvalue(), "error": error})


main()
