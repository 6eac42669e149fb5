"""Uncaught exceptions as the contract has them.

A traceback shows the frames of the program and of the modules its author
wrote, and nothing of the standard library, of this package or of the import
system: those are how things work, not what went wrong. Everything is bounded.
"""

import linecache
import sys
import traceback
from inspect import CORO_CREATED, getcoroutinestate
from types import CoroutineType

from wit_world.imports import types as wit

from . import other_language
from .program import clean, lines_of

_MAX_TRACEBACK = 64 << 10
_MAX_MESSAGE = 16 << 10

# Frames kept from each end of a deep recursion.
_MAX_FRAMES = 60

# Exceptions shown of a chain, and of a group.
_MAX_CHAIN = 8

_OURS = ("/python/", "/0/", "/world/", "/bundled/", "<frozen ")

_PLAIN = (dict, list, str, int, float, bool, type(None))


def exception(error, program):
    """The report of an exception that nothing caught in `program`, and
    whether it explains a forgotten `await`."""
    try:
        return _exception(error, program)
    except (MemoryError, RecursionError):
        kind = clean(type(error).__name__)
        return wit.Exception(kind, "", f"{kind}\n", None), False


def _exception(error, program):
    hint, forgotten = _hint(error)
    if hint is None:
        hint = other_language.hint(error, program)
    told = traceback.TracebackException(
        type(error),
        error,
        error.__traceback__,
        lookup_lines=False,
        compact=True,
        max_group_width=_MAX_CHAIN,
    )
    if hint and hint not in str(error):
        told.__notes__ = [*(told.__notes__ or ()), f"hint: {hint}"]
    _prune(told, 0)
    text = clean(_bounded(told.format(), _MAX_TRACEBACK))
    message = _message(error)
    if hint and hint not in message:
        message = f"{message}\nhint: {hint}" if message else f"hint: {hint}"
    told = wit.Exception(
        clean(type(error).__name__),
        clean(_bounded([message], _MAX_MESSAGE)),
        text,
        _position(error, told.stack, program),
    )
    return told, forgotten


def stuck(coroutine, program):
    """The report of a program whose task `coroutine` waits for ever."""
    message = (
        "the program waits for something that can never happen: "
        "no call is in flight, no timer is set, nothing is ready"
    )
    frames = []
    seen = set()
    while (
        coroutine is not None
        and id(coroutine) not in seen
        and len(frames) < _MAX_FRAMES
    ):
        seen.add(id(coroutine))
        frame = getattr(coroutine, "cr_frame", None) or getattr(
            coroutine, "gi_frame", None
        )
        if frame is not None:
            frames.append((frame, frame.f_lineno))
        coroutine = getattr(coroutine, "cr_await", None) or getattr(
            coroutine, "gi_yieldfrom", None
        )
    stack = traceback.StackSummary.extract(frames, lookup_lines=False)
    stack = _kept(stack)
    lines = ["Traceback (most recent call last):\n", *stack.format()]
    text = _bounded([*lines, f"Stuck: {message}\n"], _MAX_TRACEBACK)
    return wit.Exception("Stuck", message, clean(text), _last(stack, program))


def _kept(stack):
    kept = []
    for frame in stack:
        if frame.filename.startswith(_OURS):
            continue
        lines = frame._code is not None and lines_of(frame._code)
        if lines and frame.lineno and frame.end_lineno:
            shown = lines[frame.lineno - 1 : frame.end_lineno]
            frame._lines = "".join(line.rstrip() + "\n" for line in shown)
        kept.append(frame)
    return traceback.StackSummary.from_list(kept)


def _prune(told, depth):
    """Removes frames that are not the program's, and ends long chains."""
    told.stack = _kept(told.stack)
    if len(told.stack) > 2 * _MAX_FRAMES and not _repeats(told.stack):
        kept = told.stack[:_MAX_FRAMES] + told.stack[-_MAX_FRAMES:]
        told.stack = traceback.StackSummary.from_list(kept)
    # `asyncio.timeout` and its like tell which cancellation they turned into
    # an error. That is how they work.
    if told.__context__ is not None and told.exc_type_str.endswith("TimeoutError"):
        if told.__context__.exc_type_str.endswith("CancelledError"):
            told.__context__ = None
        elif told.__cause__ is not None and told.__cause__.exc_type_str.endswith(
            "CancelledError"
        ):
            told.__cause__ = None
    if told.__cause__ is not None and told.__cause__.exc_type_str.endswith(
        "CancelledError"
    ):
        told.__cause__ = None
        told.__suppress_context__ = True
    for name in ("__cause__", "__context__"):
        inner = getattr(told, name)
        if inner is None:
            continue
        if depth == _MAX_CHAIN:
            more = _length(inner)
            told.__notes__ = [
                *(told.__notes__ or ()),
                f"({more} earlier exceptions are not shown)",
            ]
            setattr(told, name, None)
        else:
            _prune(inner, depth + 1)
    for inner in told.exceptions or ():
        _prune(inner, depth)


def _repeats(stack):
    """Whether the lines are those of a recursion, which print short."""
    last = stack[-1]
    return all(
        (frame.filename, frame.lineno) == (last.filename, last.lineno)
        for frame in stack[-10:]
    )


def _length(told):
    count = 0
    while told is not None and count < 10_000:
        count += 1
        told = told.__cause__ or told.__context__
    return count


def _bounded(parts, limit):
    """The parts as one text, its middle cut out if it is long."""
    text = "".join(parts)
    data = text.encode(errors="replace")
    if len(data) <= limit:
        return text
    half = (limit - 100) // 2
    head = data[:half].decode(errors="ignore")
    tail = data[-half:].decode(errors="ignore")
    return f"{head}\n... ({len(data) - 2 * half} bytes cut) ...\n{tail}"


def _message(error):
    if isinstance(error, SyntaxError):
        return str(error.msg)
    try:
        return str(error)
    except Exception as inner:
        return f"<str() of the exception raised {type(inner).__name__}>"


def _position(error, stack, program):
    if isinstance(error, SyntaxError) and error.filename == program and error.lineno:
        return wit.Position(clean(program), _u32(error.lineno), _u32(error.offset or 1))
    return _last(stack, program)


def _last(stack, program):
    """The innermost position in the program's text."""
    for frame in reversed(stack):
        if frame.filename == program:
            return wit.Position(clean(program), _u32(frame.lineno or 1), _column(frame))
    return None


def _column(frame):
    """The column, from 1, in characters; Python counts bytes, from 0."""
    line = linecache.getline(frame.filename, frame.lineno or 1)
    return _u32(len(line.encode()[: frame.colno or 0].decode(errors="ignore")) + 1)


def _u32(number):
    return min(max(number, 1), 0xFFFF_FFFF)


def _hint(error):
    """What to write instead, for mistakes that are common, and whether the
    mistake is a forgotten `await`."""
    try:
        text = str(error)
    except Exception:
        return None, False
    if isinstance(error, (TypeError, AttributeError)):
        if "coroutine" in text and "coroutine was expected" not in text:
            if not text.startswith("An asyncio.Future, a coroutine"):
                return _forgotten(error), True
        if isinstance(error, TypeError) and (
            "can't be awaited" in text or _in_asyncio(error.__traceback__)
        ):
            return _needless(), False
    return None, False


def _in_asyncio(walk):
    """Whether asyncio itself could not use a value: it was no awaitable."""
    while walk is not None and walk.tb_next is not None:
        walk = walk.tb_next
    return walk is not None and walk.tb_frame.f_code.co_filename.startswith(
        "/python/asyncio/"
    )


def _needless():
    servers = [
        name.partition(".")[2]
        for name in sys.modules
        if name.startswith("mcp_tools.") and name.count(".") == 1
    ]
    if servers:
        instead = " or ".join(f"`servers.{name}`" for name in servers[:3])
        return (
            "functions of `mcp_tools` return their result at once: leave `await` out, "
            f"or import the function from {instead}"
        )
    return "what is awaited is a value already: leave `await` out"


def _forgotten(error):
    """Names the coroutine that was used without `await`."""
    frame = None
    walk = error.__traceback__
    while walk is not None:
        if not walk.tb_frame.f_code.co_filename.startswith(_OURS):
            frame = walk.tb_frame
        walk = walk.tb_next
    for space in (frame.f_locals, frame.f_globals) if frame is not None else ():
        for name, value in list(space.items()):
            if pending(value):
                # It has been reported now.
                value.close()
                return (
                    f"`{name}` is a coroutine, not its result: "
                    f"write `{name} = await {value.__name__}(...)`"
                )
    return "a coroutine is not its result: put `await` before the call"


def pending(value):
    """Whether this is a coroutine that was never awaited."""
    return isinstance(value, CoroutineType) and getcoroutinestate(value) == CORO_CREATED


def of_author(frame_file):
    """Whether a file is the author's, not ours or Python's."""
    return not frame_file.startswith(_OURS)
