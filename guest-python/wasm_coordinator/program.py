"""From the text of a program to code that can run, and from its last value to
the contract's.

The text is taken as people and models write it: inside a Markdown fence, with
`await` and `return` at the outermost level, with `asyncio.run(...)` at the
end. Line numbers are always those of the text as it came.
"""

import ast
import linecache
import signal
from ast import PyCF_ALLOW_TOP_LEVEL_AWAIT, PyCF_ONLY_AST
from inspect import CO_COROUTINE
from types import CodeType

from wit_world.imports import types as wit

from .references import of
from .values import result_to_json, shown

# The names that the rewritten program uses. They are built in, so that the
# program's own variables stay what the author wrote.
RESULT = "__result__"
RETURN = "__return__"
RUN = "__run_awaited__"
RUN_UNTIL_COMPLETE = "__run_until_complete_awaited__"

# What a value without JSON is cut to: enough for people, little for memory.
_MAX_TEXT = 1 << 20

_FENCES = ("```", "~~~")

# The programs whose lines a session remembers.
_MAX_REMEMBERED = 50

_codes = []

# The program whose references were asked for, until the next one is read.
_ahead = []

_STORE = ast.Store()


class Return(BaseException):
    """`return` at the outermost level."""

    def __init__(self, value=None):
        self.value = value


class Exit(SystemExit):
    """`os._exit`. The guest goes on for the session's next program, so this
    ends the program and no more."""

    __module__ = "builtins"


def exit_now(status, /):
    """`os._exit`."""
    raise Exit(status)


def abort_now():
    """`os.abort`, with the status that a shell shows for it."""
    raise Exit(134)


_raise_signal = signal.raise_signal

# Signals that do nothing where nobody handles them.
_HARMLESS = {
    getattr(signal, name, None) for name in ("SIGCHLD", "SIGCONT", "SIGURG", "SIGWINCH")
}


def raise_signal(signalnum, /):
    """`signal.raise_signal`, with the status that a shell shows if nobody handles
    the signal."""
    if signal.getsignal(signalnum) is signal.SIG_DFL and signalnum not in _HARMLESS:
        raise Exit(128 + signalnum)
    _raise_signal(signalnum)


def references(source, name):
    """What the text of a program refers to. The program is likely to be read
    next, so its syntax tree is kept for that."""
    text, tree = _text_and_tree(source, name)
    _ahead[:] = [(source, name, text, tree)]
    return of(tree, _lines(text))


def read(source, name):
    """The code of a program, and whether it has to be awaited."""
    ahead = _ahead.pop() if _ahead else (None,) * 4
    if ahead[:2] == (source, name):
        source, tree = ahead[2:]
        remember(name, source)
    else:
        source, tree = _text_and_tree(source, name)
    if (
        "return" in source
        or "asyncio.run(" in source
        or "run_until_complete(" in source
    ):
        tree = _Outermost().visit(tree)
    _keep_last(tree.body)
    code = compile(tree, name, "exec", PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    _codes.append((code, source, name))
    del _codes[:-_MAX_REMEMBERED]
    return code, bool(code.co_flags & CO_COROUTINE)


def _text_and_tree(source, name):
    """The text of a program without what is around it, and its syntax tree."""
    source = _unfence(source)
    remember(name, source)
    try:
        return source, _parse(source, name)
    except SyntaxError:
        inner = _fenced_block(source)
        if inner is None:
            raise
        remember(name, inner)
        return inner, _parse(inner, name)


def _parse(source, name):
    flags = PyCF_ONLY_AST | PyCF_ALLOW_TOP_LEVEL_AWAIT
    return compile(source, name, "exec", flags, dont_inherit=True)


def remember(name, source):
    """Lets tracebacks show the lines of a program."""
    # The time of change is missing: there is no file to compare with.
    linecache.cache[name] = len(source), None, _lines(source), name


def _lines(source):
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    return (
        source.splitlines(True)
        if source.isascii()
        else [line + "\n" for line in source.split("\n")]
    )


def forget():
    """Forgets all programs."""
    _codes.clear()
    _ahead.clear()
    linecache.clearcache()


def lines_of(code):
    """The lines of the program that this code is of.

    A session's programs may all have the same name, and functions of earlier
    ones live on: their lines are not those that `linecache` has.
    """
    for outer, source, name in reversed(_codes):
        if name == code.co_filename and _contains(outer, code):
            return _lines(source)
    return None


def _contains(outer, code):
    return outer is code or any(
        isinstance(inner, CodeType) and _contains(inner, code)
        for inner in outer.co_consts
    )


def _unfence(source):
    """Empties the lines of a Markdown fence around the program."""
    head = source.lstrip()
    if not head.startswith(_FENCES):
        return source
    lines = source.split("\n")
    fence = None
    for number, line in enumerate(lines):
        mark = line.strip()
        if fence is None:
            if mark.startswith(_FENCES):
                fence = mark[:3]
                lines[number] = ""
        elif mark == fence:
            # What follows the block is talk.
            del lines[number:]
            break
    return "\n".join(lines)


def _fenced_block(source):
    """The first fenced block of a text, at its own line numbers."""
    lines = source.split("\n")
    for number, line in enumerate(lines):
        if line.strip().startswith(_FENCES):
            return "\n" * number + _unfence("\n".join(lines[number:]))
    return None


class _Outermost(ast.NodeTransformer):
    """Rewrites what is written at the outermost level, outside functions."""

    def _skip(self, node):
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _skip
    visit_Lambda = visit_GeneratorExp = _skip
    visit_ListComp = visit_SetComp = visit_DictComp = _skip

    def visit_Return(self, node):
        arguments = [self.visit(node.value)] if node.value else []
        call = _at(node, ast.Call(_name(node, RETURN), arguments, []))
        return _at(node, ast.Raise(call, None))

    def visit_Call(self, node):
        self.generic_visit(node)
        function = node.func
        if not isinstance(function, ast.Attribute):
            return node
        owner = function.value
        if (
            function.attr == "run"
            and isinstance(owner, ast.Name)
            and owner.id == "asyncio"
        ):
            wrapper = RUN
        elif function.attr == "run_until_complete":
            wrapper = RUN_UNTIL_COMPLETE
        else:
            return node
        arguments = [function, *node.args]
        call = _at(node, ast.Call(_name(node, wrapper), arguments, node.keywords))
        return _at(node, ast.Await(call))


def _name(node, name):
    return _at(node, ast.Name(name, ast.Load()))


def _at(node, new):
    """Gives a new node the position of `node`."""
    new.lineno = node.lineno
    new.col_offset = node.col_offset
    new.end_lineno = node.end_lineno
    new.end_col_offset = node.end_col_offset
    return new


def _keep_last(body):
    """Keeps the value of the last expression in `RESULT`."""
    while body:
        last = body[-1]
        if isinstance(last, ast.Expr):
            target = _at(last, ast.Name(RESULT, _STORE))
            body[-1] = _at(last, ast.Assign([target], last.value))
            return
        if not (isinstance(last, ast.If) and _is_main_guard(last.test)):
            return
        body = last.body


def _is_main_guard(test):
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name)
        and test.left.id == "__name__"
    )


def value_of(value):
    """The contract's word for the value of a program."""
    if value is None:
        return wit.Value_Nothing()
    text = result_to_json(value)
    if text is not None:
        return wit.Value_Json(text)
    return wit.Value_Text(clean(shown(value, _MAX_TEXT)))


def clean(text):
    """Text that the contract can carry: without lone surrogates."""
    return text if text.isascii() else text.encode(errors="replace").decode()
