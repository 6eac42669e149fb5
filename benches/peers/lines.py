"""What is measured: the lines of the table, and the programs they run.

Every peer runs the programs of its language unchanged, but for two things that
are each peer's own: how a program gets at a tool, and whether it awaits it.
"""

import functools
import json
from dataclasses import dataclass

CALLS = 200
AT_ONCE = 100
NAP = 0.01
SESSIONS = 20


@dataclass(frozen=True)
class Line:
    name: str
    label: str
    # Of what is shown; times are measured in milliseconds.
    unit: str = "ms"
    # What one unit is in what was measured.
    scale: float = 1.0


LINES = {
    line.name: line
    for line in [
        Line("hello", "new sandbox, hello"),
        Line("process", "whole process, hello"),
        Line("fib", "new sandbox, `fib(24)`"),
        Line("loop", "new sandbox, a loop of 1,000,000"),
        Line("session", "hello in a live session"),
        Line("call", f"one tool call, of {CALLS} in turn", "µs", 1e-3),
        Line("calls", f"{AT_ONCE} tool calls of 10 ms at once"),
        Line("json", "2 MB of JSON read, filtered, summed"),
        Line("memory", "each idle session", "MiB"),
        Line("rate", "new sandboxes a second, two at once", "/s"),
        Line("first", "first start ever", "s", 1e3),
    ]
}


@dataclass(frozen=True)
class Program:
    code: str
    # What it prints, without the end of the line.
    prints: str
    # By how much its time is divided.
    parts: int = 1


@functools.cache
def rows():
    """A table as JSON text, of two megabytes."""
    regions = ["eu", "us", "ap"]
    table = [
        {
            "id": number,
            "region": regions[number % 3],
            "amount": number * 7919 % 2000,
            "name": f"customer {number}",
            "note": "x" * 40,
        }
        for number in range(16_000)
    ]
    return json.dumps(table)


@functools.cache
def filtered(table):
    """What the program of the line `json` prints."""
    amounts = [
        row["amount"]
        for row in json.loads(table)
        if row["region"] == "eu" and row["amount"] > 1000
    ]
    return f"{len(amounts)} {sum(amounts)}"


@dataclass(frozen=True)
class Tools:
    """How programs of one peer call a tool."""

    # The line that makes a tool known; `NAME` is the tool's.
    load: str = ""
    # How it is called: `NAME` is the tool's.
    call: str = "NAME"
    # Whether single calls are awaited.
    awaits: bool = True


def python(tools):
    def using(name, code):
        code = code.replace(f"{name}(", tools.call.replace("NAME", name) + "(")
        if not tools.awaits:
            code = code.replace("await ", "")
        return tools.load.replace("NAME", name) + code

    noop = f"for _ in range({CALLS}):\n    await noop(x=1)\nprint(1)\n"
    # Whoever can have calls at once awaits them.
    nap = f"import asyncio\nawait asyncio.gather(*[nap() for _ in range({AT_ONCE})])\n"
    nap = tools.load.replace("NAME", "nap") + nap + "print(1)\n"
    table = (
        "import json\n"
        "data = await table()\n"
        "rows = json.loads(data) if isinstance(data, str) else data\n"
        "chosen = [r for r in rows if r['region'] == 'eu' and r['amount'] > 1000]\n"
        "print(len(chosen), sum([r['amount'] for r in chosen]))\n"
    )
    fib = "def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\n"
    loop = "def f():\n    t = 0\n    for i in range(1_000_000):\n        t += i * i\n"
    return {
        "hello": Program("print(1 + 1)\n", "2"),
        "fib": Program(f"{fib}print(fib(24))\n", "46368"),
        "loop": Program(f"{loop}    return t\nprint(f())\n", "333332833333500000"),
        "call": Program(using("noop", noop), "1", CALLS),
        "calls": Program(nap, "1"),
        "json": Program(using("table", table), filtered(rows())),
    }


def javascript(tools):
    def load(name):
        return tools.load.replace("NAME", name)

    noop = f"for (let i = 0; i < {CALLS}; i++) await noop({{ x: 1 }});\n"
    nap = f"await Promise.all(Array.from({{ length: {AT_ONCE} }}, () => nap({{}})));\n"
    table = (
        "{ const data = await table({});\n"
        "const rows = typeof data === 'string' ? JSON.parse(data) : data;\n"
        "const chosen = rows.filter(r => r.region === 'eu' && r.amount > 1000);\n"
        "const sum = chosen.reduce((sum, r) => sum + r.amount, 0);\n"
        "console.log(`${chosen.length} ${sum}`); }\n"
    )
    fib = "function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }\n"
    loop = "let t = 0; for (let i = 0; i < 1000000; i++) t += i * i; return t;"
    return {
        "hello": Program("console.log(1 + 1);\n", "2"),
        "fib": Program(f"{fib}console.log(fib(24));\n", "46368"),
        # Numbers of JavaScript have 53 bits.
        "loop": Program(
            f"function f() {{ {loop} }}\nconsole.log(f());\n", "333332833333127550"
        ),
        "call": Program(f"{load('noop')}{noop}console.log(1);\n", "1", CALLS),
        "calls": Program(f"{load('nap')}{nap}console.log(1);\n", "1"),
        "json": Program(load("table") + table, filtered(rows())),
    }


PROGRAMS = {"python": python, "javascript": javascript}
