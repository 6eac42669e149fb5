"""What is nested deeply can be freed."""


class Node:
    def __init__(self, inner):
        self.inner = inner


class Slotted:
    __slots__ = ("inner",)

    def __init__(self, inner):
        self.inner = inner


nests = {
    "dict": lambda inner: {"a": inner},
    "list": lambda inner: [inner],
    "tuple": lambda inner: (inner,),
    "set": lambda inner: frozenset([Node(inner)]),
    "object": Node,
    "slots": Slotted,
    "function": lambda inner: lambda: inner,
    "mixed": lambda inner: {"a": [Node((inner,))]},
    "exception": lambda inner: ValueError(inner),
    "iterator": lambda inner: iter([inner]),
    "map": lambda inner: map(str, [inner]),
}
for name, nest in nests.items():
    nested = None
    for _ in range(100_000):
        nested = nest(nested)
    del nested
    print(name)
