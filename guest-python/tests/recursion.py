"""Depth ends in an exception, not in the end of the guest."""

import ast
import json
import pickle
import sys

sys.setrecursionlimit(10**9)

deep = []
for _ in range(100_000):
    deep = [deep]


class Endless:
    def __getattr__(self, name):
        return getattr(self, name + "x")

    def __repr__(self):
        return f"{[self]}"

    def __eq__(self, other):
        return [self] == [other]


def sort(n):
    return sorted([n], key=sort)


attempts = {
    "json.loads list": lambda: json.loads("[" * 10**6),
    "json.loads object": lambda: json.loads('{"a":' * 10**6),
    "json.dumps": lambda: json.dumps(deep),
    "repr": lambda: repr(deep),
    "pickle": lambda: pickle.dumps(deep),
    "getattr": lambda: Endless().a,
    "repr of a class": lambda: repr(Endless()),
    "eq of a class": lambda: Endless() == Endless(),
    "sort": lambda: sort(0),
    "parentheses": lambda: ast.parse("(" * 10**6),
    "sum": lambda: compile("+".join("1" * 10**5), "sum", "eval"),
}
for name, attempt in attempts.items():
    try:
        attempt()
    except (RecursionError, MemoryError, SyntaxError):
        print(name)
sys.setrecursionlimit(1000)


def count(n):
    return count(n + 1)


count(0)
