"""Tool calls in flight.

A call is started at once and ends with a completion, which comes back through
`deliver`: from the pump when the host calls `resume`, or from `wait` when
synchronous code blocks. Each call has one future; who awaits it does not
matter here.
"""

import dataclasses
import datetime
import decimal
import enum
import pathlib
import uuid
from asyncio import CancelledError
from json import JSONDecoder
from json.encoder import c_make_encoder, encode_basestring
from json.scanner import c_make_scanner

from componentize_py_types import Err, Ok
from wit_world.imports import tools as host
from wit_world.imports.types import AnswerForm

from .errors import ToolArgumentError, from_call

_start = host.start_call
_cancel = host.cancel
_wait = host.wait


def _as_json(value):
    """What JSON has no word for, as close as it gets."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: getattr(value, field.name)
            for field in dataclasses.fields(value)
        }
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (uuid.UUID, pathlib.PurePath)):
        return str(value)
    if isinstance(value, decimal.Decimal):
        number = float(value)
        return number if decimal.Decimal(number) == value else str(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (set, frozenset)):
        return list(value)
    if hasattr(value, "keys") and hasattr(value, "__getitem__"):
        return {key: value[key] for key in value.keys()}
    if hasattr(value, "__await__"):
        raise TypeError(
            f"a {type(value).__name__} is not a value yet: `await` it first"
        )
    raise TypeError(
        f"a value of type `{type(value).__name__}` cannot be sent to a tool"
    )


_encode = c_make_encoder(
    None, _as_json, encode_basestring, None, ":", ",", False, False, False
)
_decode = c_make_scanner(JSONDecoder())
_join = "".join


def to_json(arguments):
    """The arguments object of a call as JSON text."""
    text = _join(_encode(arguments, 0))
    if not text.isascii():
        # The contract's strings are Unicode; lone surrogates are not.
        text.encode()
    return text


class Calls:
    """The calls of the session."""

    def __init__(self, loop):
        self.futures = {}
        self.create_future = loop.create_future
        loop.outside = self

    def start(self, tool, arguments):
        """Starts a call; the future of its result is in `futures` until the
        completion comes."""
        try:
            text = to_json(arguments)
        except (TypeError, ValueError) as error:
            server, _, name = tool.rpartition(".")
            raise ToolArgumentError(
                f"the arguments of `{tool}` cannot be written as JSON: {error}",
                server,
                name,
                "invalid_arguments",
            ) from None
        try:
            call = _start(tool, text, AnswerForm.VALUE)
        except Err as error:
            raise from_call(error.value) from None
        future = self.futures[call] = self.create_future()
        return call, future

    async def call(self, tool, arguments):
        """Calls a tool. Cancelling the caller cancels the call."""
        call, future = self.start(tool, arguments)
        try:
            return await future
        except CancelledError:
            if self.futures.pop(call, None) is not None:
                _cancel(call)
            raise

    def call_sync(self, tool, arguments):
        """Calls a tool and waits for it inside the guest."""
        _, future = self.start(tool, arguments)
        while not future.done():
            self.deliver(_wait(None))
        return future.result()

    def deliver(self, completions):
        """Hands completions to those who wait."""
        futures = self.futures
        for completion in completions:
            future = futures.pop(completion.id, None)
            if future is None or future.done():
                # Cancelled: the completion comes all the same.
                continue
            result = completion.result
            if type(result) is Ok:
                try:
                    value, _ = _decode(result.value, 0)
                except Exception as error:
                    # Nested deeper than the stack goes, or out of memory.
                    error.__traceback__ = None
                    future.set_exception(error)
                else:
                    future.set_result(value)
            else:
                future.set_exception(from_call(result.value))

    def in_flight(self):
        """Whether a completion is to come."""
        return bool(self.futures)

    def wait(self, timeout):
        """Blocks until a call has completed or the time, in nanoseconds, is
        up."""
        self.deliver(_wait(timeout))

    def forget(self):
        """Cancels every call that nobody waits for any more."""
        for call in self.futures:
            _cancel(call)
        self.futures.clear()
