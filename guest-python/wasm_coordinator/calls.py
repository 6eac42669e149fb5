"""Tool calls in flight.

A call is started at once and ends with a completion, which comes back through
`deliver`: from the pump when the host calls `resume`, or from `wait` when
synchronous code blocks. Each call has one future; who awaits it does not
matter here.
"""

from asyncio import CancelledError

from componentize_py_types import Err, Ok
from wit_world.imports import tools as host
from wit_world.imports.types import AnswerForm

from .errors import ToolArgumentError, from_call, unusable
from .values import from_json, to_json

_start = host.start_call
_cancel = host.cancel
_wait = host.wait

VALUE = AnswerForm.VALUE
WHOLE = AnswerForm.WHOLE


class Calls:
    """The calls of the session."""

    def __init__(self, loop):
        # By the id of the call: its future, and what was called.
        self.futures = {}
        self.create_future = loop.create_future
        loop.outside = self

    def start(self, tool, arguments, form):
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
            call = _start(tool, text, form)
        except Err as error:
            raise from_call(error.value) from None
        future = self.create_future()
        self.futures[call] = future, tool
        return call, future

    async def call(self, tool, arguments, form=VALUE):
        """Calls a tool. Cancelling the caller cancels the call."""
        call, future = self.start(tool, arguments, form)
        try:
            return await future
        except CancelledError:
            if self.futures.pop(call, None) is not None:
                _cancel(call)
            raise

    def call_sync(self, tool, arguments, form=VALUE):
        """Calls a tool and waits for it inside the guest."""
        _, future = self.start(tool, arguments, form)
        while not future.done():
            self.deliver(_wait(None))
        return future.result()

    def deliver(self, completions):
        """Hands completions to those who wait."""
        futures = self.futures
        for completion in completions:
            future, tool = futures.pop(completion.id, (None, ""))
            if future is None or future.done():
                # Cancelled: the completion comes all the same.
                continue
            result = completion.result
            if type(result) is Ok:
                try:
                    value = from_json(result.value)
                except MemoryError as error:
                    error.__traceback__ = None
                    future.set_exception(error)
                except Exception as error:
                    # Nested deeper than the stack goes.
                    future.set_exception(unusable(tool, error))
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
