"""Executors and `asyncio.to_thread` without threads.

What would run beside the program runs in its turn: at once, when it is handed
over, with its result or exception in the future as always. The program is told
once. What cannot be had that way is said by `absent`.

A synchronous tool that is handed to the event loop is called asynchronously
instead, so that calls do overlap.
"""

import asyncio
import functools
from asyncio import base_events
from concurrent.futures import Future, process, thread

_WARNING = (
    "the sandbox has no threads: what was given to an executor or to "
    "`asyncio.to_thread` ran at once, one after another; tools of `servers` run at "
    "the same time with `asyncio.gather`"
)


def install(warn_once):
    """Replaces what would start threads and processes. `warn_once` takes a
    sentence for the author of a program, who reads it once."""

    def now(function, /, *args, **keywords):
        warn_once(_WARNING)
        return function(*args, **keywords)

    def submit(self, function, /, *args, **keywords):
        """Calls the function and keeps what comes of it."""
        _begin(self)
        future = Future()
        future.set_running_or_notify_cancel()
        try:
            result = now(function, *args, **keywords)
        except (SystemExit, MemoryError):
            # The end of the program, not of this call.
            raise
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)
        return future

    async def to_thread(function, /, *args, **keywords):
        """Calls the function; the tools among them asynchronously."""
        asynchronous = _asynchronous(function)
        if asynchronous is not None:
            return await asynchronous(*args, **keywords)
        return now(function, *args, **keywords)

    def run_in_executor(self, _executor, function, *args):
        """The same for the loop's own method."""
        asynchronous = _asynchronous(function)
        if asynchronous is not None:
            return self.create_task(asynchronous(*args))
        future = self.create_future()
        try:
            result = now(function, *args)
        except Exception as error:
            future.set_exception(error)
        else:
            future.set_result(result)
        return future

    for executor in (_Threads, _Processes):
        executor.kind.submit = submit
        executor.kind.__init__ = executor.begin
        executor.kind.shutdown = _shutdown
    asyncio.to_thread = asyncio.threads.to_thread = to_thread
    base_events.BaseEventLoop.run_in_executor = run_in_executor


class _Threads:
    kind = thread.ThreadPoolExecutor

    @staticmethod
    def begin(
        self,
        max_workers=None,
        thread_name_prefix="",
        initializer=None,
        initargs=(),
        **_context,
    ):
        _prepare(self, max_workers, initializer, initargs)


class _Processes:
    kind = process.ProcessPoolExecutor

    @staticmethod
    def begin(
        self,
        max_workers=None,
        mp_context=None,
        initializer=None,
        initargs=(),
        *,
        max_tasks_per_child=None,
    ):
        _prepare(self, max_workers, initializer, initargs)


def _prepare(executor, max_workers, initializer, initargs):
    if max_workers is not None and max_workers <= 0:
        raise ValueError("max_workers must be greater than 0")
    if initializer is not None and not callable(initializer):
        raise TypeError("initializer must be a callable")
    executor._max_workers = max_workers or 1
    executor._initializer = initializer, initargs
    executor._shutdown = False


def _begin(executor):
    """What a worker does before its first task."""
    if executor._shutdown:
        raise RuntimeError("cannot schedule new futures after shutdown")
    initializer, arguments = executor._initializer
    executor._initializer = None, ()
    if initializer is not None:
        initializer(*arguments)


def _shutdown(self, wait=True, *, cancel_futures=False):
    self._shutdown = True


def _asynchronous(function):
    """The asynchronous form of a synchronous tool, or None. The arguments may
    be in there already."""
    if isinstance(function, functools.partial):
        inner = _asynchronous(function.func)
        if inner is None:
            return None
        return functools.partial(inner, *function.args, **function.keywords)
    return getattr(function, "__asynchronous__", None)
