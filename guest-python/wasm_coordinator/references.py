"""What the text of a program refers to: imports, names of what it imports, and
some calls and loops that are worth a word before anything runs.

Only the text is looked at, and no scopes: a name that is imported anywhere in
the program means the module everywhere. Whoever wants to hide something from
this can; nobody may rely on it.
"""

import ast
from itertools import islice
from types import GenericAlias, NoneType

# How many different things a program is said to refer to.
_MAX_REFERENCES = 1_000

# Characters of the longest name that is told.
_MAX_NAME = 200

# Nodes of a loop that is looked at. Those that do nothing are small, and loops
# in loops are looked at again and again.
_MAX_LOOP = 60

# Methods whose calls are looked at, whatever they are methods of.
_METHODS = {"import_module", "open", "write_bytes", "write_text"}

_RUNS_CODE = {"eval", "exec", "compile"}
_IMPORTS = {"__import__", "importlib.import_module"}
_OPENS = {"open", "io.open", "codecs.open"}

# Letters in the mode of a file that is written.
_WRITING = set("wax+")

_STUBS = "/servers/"

# What may lead out of a loop without a condition.
_WAYS_OUT = (
    ast.Assert,
    ast.AsyncFor,
    ast.AsyncWith,
    ast.Await,
    ast.Break,
    ast.Call,
    ast.For,
    ast.Import,
    ast.ImportFrom,
    ast.Raise,
    ast.Return,
    ast.Subscript,
    ast.With,
    ast.Yield,
    ast.YieldFrom,
)

# Nodes that have nothing below them that matters here.
_LEAVES = (
    ast.alias,
    ast.boolop,
    ast.cmpop,
    ast.expr_context,
    ast.operator,
    ast.type_ignore,
    ast.unaryop,
)


def _below(node_type):
    """The fields of a node that hold nodes to look at: those with one node, and
    those with a list."""
    single, lists = [], []
    for name, kind in getattr(node_type, "_field_types", {}).items():
        kinds = getattr(kind, "__args__", (kind,))
        if any(issubclass(each, ast.AST) for each in kinds):
            if not any(issubclass(each, _LEAVES) for each in kinds):
                fields = lists if isinstance(kind, GenericAlias) else single
                fields.append(name)
    return tuple(single), tuple(lists)


# For every type of node. Where a list has a gap, such as the key of what is
# unpacked into a dictionary, there is None.
_BELOW = {
    each: _below(each)
    for each in (*vars(ast).values(), NoneType)
    if isinstance(each, type) and issubclass(each, (ast.AST, NoneType))
}


def of(tree, lines):
    """The references in a syntax tree, each as kind, name, line and column, in
    the order of the text, whose lines are `lines`."""
    found = _Found()
    found.walk(tree)
    found.resolve()
    places = sorted((place, *each) for each, place in found.references.items())
    return [
        (kind, name[:_MAX_NAME], line, _column(lines, line, offset))
        for (line, offset), kind, name in places[:_MAX_REFERENCES]
    ]


def _column(lines, line, offset):
    """The column in characters, from 1; Python counts bytes, from 0."""
    if line > len(lines) or lines[line - 1].isascii():
        return offset + 1
    before = lines[line - 1].encode(errors="replace")[:offset]
    return len(before.decode(errors="ignore")) + 1


class _Found:
    """What a walk through a tree found."""

    def __init__(self):
        # The first place of each kind and name.
        self.references = {}
        # What names of the program stand for.
        self.imported = {}
        # Its own functions and classes.
        self.defined = set()
        # `a.b.c`: what it begins with, and the names from the last one on.
        self.chains = []
        self.calls = []

    def add(self, kind, name, node):
        place = node.lineno, node.col_offset
        if place < self.references.setdefault((kind, name), place):
            self.references[kind, name] = place

    def walk(self, tree):
        # Without recursion: trees may be deeper than the stack.
        waiting = [tree]
        while waiting:
            node = waiting.pop()
            kind = type(node)
            if kind is ast.Name:
                continue
            if kind is ast.Attribute:
                root, names = _chain(node)
                self.chains.append((root, names))
                if type(root) is not ast.Name:
                    waiting.append(root)
                continue
            visit = _VISITS.get(kind)
            if visit is not None:
                visit(self, node)
            single, lists = _BELOW[kind]
            for field in single:
                below = getattr(node, field)
                if below is not None:
                    waiting.append(below)
            for field in lists:
                waiting += getattr(node, field)

    def _import(self, node):
        for alias in node.names:
            self.add("module", alias.name, alias)
            first = alias.name.partition(".")[0]
            self.imported[alias.asname or first] = alias.name if alias.asname else first

    def _import_from(self, node):
        module = "." * node.level + (node.module or "")
        for alias in node.names:
            if alias.name == "*":
                self.add("module", module, alias)
                continue
            name = f"{module}.{alias.name}" if node.module else module + alias.name
            self.add("module", name, alias)
            self.imported[alias.asname or alias.name] = name

    def _define(self, node):
        self.defined.add(node.name)

    def _call(self, node):
        function = node.func
        if type(function) is ast.Name:
            self.calls.append((node, function, ()))
        elif type(function) is ast.Attribute and function.attr in _METHODS:
            self.calls.append((node, *_chain(function)))

    def _while(self, node):
        test = node.test
        if type(test) is ast.Constant and test.value:
            below = list(islice(ast.walk(node), _MAX_LOOP))
            if len(below) < _MAX_LOOP:
                if not any(isinstance(each, _WAYS_OUT) for each in below):
                    self.add("endless-loop", f"while {test.value!r}", node)

    def resolve(self):
        """Says what names and calls mean, now that all imports are known."""
        for root, names in self.chains:
            if type(root) is ast.Name:
                module = self.imported.get(root.id)
            else:
                module = _imported(root)
            if module is not None:
                self.add("name", ".".join([module, *reversed(names)]), root)
        for call, root, names in self.calls:
            self._resolve_call(call, root, names)

    def _resolve_call(self, call, root, names):
        first = call.args[0] if call.args else None
        name = root.id if type(root) is ast.Name else None
        if name in self.imported:
            name = ".".join([self.imported[name], *reversed(names)])
        elif names:
            # A method of something else, perhaps of `Path("/servers/...")`.
            if type(root) is ast.Call and root.args and _is_stub(root.args[0]):
                if names[0] != "open" or _writes(call, 0):
                    self.add("servers-write", names[0], call)
            return
        elif name in self.defined:
            return
        if name in _OPENS:
            if _is_stub(first) and _writes(call, 1):
                self.add("servers-write", name, call)
        elif name in _IMPORTS:
            if isinstance(module := _constant(first), str):
                self.add("module", module, call)
            elif first is not None:
                self.add("dynamic-import", name, call)
        elif name in _RUNS_CODE:
            if first is not None and _constant(first) is None:
                self.add("dynamic-code", name, call)


_VISITS = {
    ast.Import: _Found._import,
    ast.ImportFrom: _Found._import_from,
    ast.FunctionDef: _Found._define,
    ast.AsyncFunctionDef: _Found._define,
    ast.ClassDef: _Found._define,
    ast.Call: _Found._call,
    ast.While: _Found._while,
}


def _chain(node):
    """What attributes are of, and their names from the last one on."""
    names = []
    while type(node) is ast.Attribute:
        names.append(node.attr)
        node = node.value
    return node, names


def _imported(node):
    """The module of `__import__("os")`."""
    if type(node) is ast.Call and type(node.func) is ast.Name and node.args:
        module = _constant(node.args[0])
        if node.func.id == "__import__" and isinstance(module, str):
            return module
    return None


def _constant(node):
    """The value that stands there, or None."""
    return node.value if type(node) is ast.Constant else None


def _is_stub(node):
    """Whether this is a path below `/servers`, as far as it stands there."""
    if type(node) is ast.JoinedStr and node.values:
        node = node.values[0]
    path = _constant(node)
    return isinstance(path, str) and path.startswith(_STUBS)


def _writes(call, position):
    """Whether the mode of a file that is opened lets it be written."""
    given = [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    mode = _constant([*call.args[position:], *given, None][0])
    return isinstance(mode, str) and not _WRITING.isdisjoint(mode)
