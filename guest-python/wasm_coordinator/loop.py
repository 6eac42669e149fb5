"""The event loop: asyncio without a selector, driven from outside.

One loop lives as long as the session. `turn` runs whatever is ready and
returns; who waits for the outside is the caller's decision:

- The pump (`guest`) returns to the host, so that nothing is on the stack
  while tools run.
- Synchronous code that needs a result now (`run_until_complete`, and with it
  `asyncio.run`) calls `block_on`, which waits inside the guest. This works
  from inside a running task too: the loop is re-entrant.

The loop knows neither programs nor tools. What waits for the host, and how to
wait for it, is given to it as `outside`.
"""

import heapq
from asyncio import base_events, events, futures, tasks
from contextvars import ContextVar, copy_context
from time import monotonic_ns

_get_running = events._get_running_loop
_set_running = events._set_running_loop


class Stuck(RuntimeError):
    """Code waits for something that can never happen."""

    # As programs see it, if they catch it.
    __module__ = "builtins"


class Loop(base_events.BaseEventLoop):
    """The session's event loop."""

    def __init__(self):
        super().__init__()
        self._clock_resolution = 1e-9
        # Set by `calls`: `in_flight()` says whether the host owes us
        # anything, `wait(timeout)` blocks until it delivered or time is up.
        self.outside = None

    def time(self):
        return monotonic_ns() * 1e-9

    def turn(self, until=None):
        """Runs what is ready and what is due until nothing is, or until the
        future `until` is done."""
        ready = self._ready
        before = _get_running()
        if before is not self:
            _set_running(self)
        try:
            while True:
                if self._scheduled:
                    self._take_due()
                if not ready:
                    return
                for _ in range(len(ready)):
                    if not ready:
                        # A handle ran a turn of its own.
                        break
                    handle = ready.popleft()
                    if not handle._cancelled:
                        handle._run()
                if until is not None and until.done():
                    return
        finally:
            if before is not self:
                _set_running(before)

    def _take_due(self):
        scheduled = self._scheduled
        now = self.time()
        while scheduled:
            handle = scheduled[0]
            if handle._cancelled:
                self._timer_cancelled_count -= 1
            elif handle._when > now:
                break
            else:
                self._ready.append(handle)
            heapq.heappop(scheduled)
            handle._scheduled = False

    def next_timer(self):
        """Nanoseconds until the next timer, or None without one."""
        scheduled = self._scheduled
        while scheduled and scheduled[0]._cancelled:
            self._timer_cancelled_count -= 1
            heapq.heappop(scheduled)._scheduled = False
        if not scheduled:
            return None
        # The host's clock is asked for a moment after this one, and a timer
        # that is not due when we are back costs a round trip: round up.
        left = (scheduled[0]._when - self.time()) * 1e9
        return min(max(int(left) + 1, 0), 0xFFFF_FFFF_FFFF_FFFF)

    def block_on(self, future):
        """Runs the loop until `future` is done, waiting inside the guest."""
        running = _get_running()
        # A task that calls us is in the middle of a step. It is set aside,
        # so that others can take theirs.
        outer = tasks._swap_current_task(self, None) if running is self else None
        try:
            while True:
                self.turn(until=future)
                if future.done():
                    return
                timeout = self.next_timer()
                if timeout is None and not self.outside.in_flight():
                    raise Stuck(
                        "this waits for something that can never happen: "
                        "no call is in flight, no timer is set, nothing is ready"
                    )
                self.outside.wait(timeout)
        finally:
            if running is self:
                tasks._swap_current_task(self, outer)

    def run_until_complete(self, future):
        started = not futures.isfuture(future)
        future = tasks.ensure_future(future, loop=self)
        if started:
            # Its exception is raised here; nobody else has to fetch it.
            future._log_destroy_pending = False
        self.block_on(future)
        return future.result()

    def run_forever(self):
        forever = self._forever = self.create_future()
        self.block_on(forever)

    def stop(self):
        forever = getattr(self, "_forever", None)
        if forever is not None and not forever.done():
            forever.set_result(None)

    def close(self):
        """Nothing: programs close the loop at their end, sessions go on."""

    def is_closed(self):
        return False

    def is_running(self):
        return _get_running() is self

    def _write_to_self(self):
        """Nothing: there is one thread, and it is awake."""

    def _process_events(self, event_list):
        """Nothing: there is no selector."""

    async def shutdown_default_executor(self, timeout=None):
        pass

    def forget(self):
        """Drops whatever is still scheduled."""
        self._ready.clear()
        self._scheduled.clear()
        self._timer_cancelled_count = 0


class Policy(events._BaseDefaultEventLoopPolicy):
    """There is one loop, whoever asks, however they ask."""

    def __init__(self, loop):
        super().__init__()
        self.loop = loop

    def get_event_loop(self):
        return self.loop

    def set_event_loop(self, loop):
        pass

    def new_event_loop(self):
        return self.loop


async def cancel(leftover):
    """Cancels tasks and waits until they have ended."""
    for task in leftover:
        task.cancel()
    await tasks.gather(*leftover, return_exceptions=True)


# Which runner a task belongs to. Tasks inherit it from those that start them.
_owner = ContextVar("runner", default=None)

_every_task = tasks.all_tasks


def all_tasks(loop=None):
    """`asyncio.all_tasks`: the tasks of the runner that asks.

    Elsewhere each runner has a loop of its own, and who cancels all of its
    tasks cancels nobody else's.
    """
    owner = _owner.get()
    return {task for task in _every_task(loop) if _owner_of(task) is owner}


def every_task(loop):
    """All tasks there are."""
    return _every_task(loop)


def _owner_of(task):
    get = getattr(task, "get_context", None)
    return get().get(_owner) if get is not None else None


class Runner:
    """`asyncio.Runner` on the session's loop.

    The standard one cancels every task of its loop at the end; ours cancels
    those that were started through it, because the loop may have others.
    """

    __module__ = "asyncio.runners"

    def __init__(self, *, debug=None, loop_factory=None):
        self._loop = events.get_event_loop()
        self._context = None
        self._closed = False

    def __enter__(self):
        self._open()
        return self

    def __exit__(self, *_):
        self.close()

    def _open(self):
        if self._closed:
            raise RuntimeError("Runner is closed")
        if self._context is None:
            self._context = copy_context()
            self._context.run(_owner.set, self)

    def get_loop(self):
        self._open()
        return self._loop

    def _start(self, coroutine, context=None):
        self._open()
        if not tasks.coroutines.iscoroutine(coroutine):
            coroutine = _awaited(coroutine)
        if context is None:
            return self._loop.create_task(coroutine, context=self._context)
        try:
            context.run(_owner.set, self)
        except RuntimeError:
            # It is the context of who calls, and what it starts is theirs.
            pass
        return self._loop.create_task(coroutine, context=context)

    def run(self, coroutine, *, context=None):
        return self._loop.run_until_complete(self._start(coroutine, context))

    async def run_awaited(self, coroutine):
        """`run` for code that can wait without blocking."""
        return await self._start(coroutine)

    def leftover(self):
        """The tasks that were started through this and have not ended."""
        current = tasks.current_task(self._loop)
        return [
            task
            for task in _every_task(self._loop)
            if task is not current and _owner_of(task) is self
        ]

    def close(self):
        if self._closed:
            return
        self._closed = True
        leftover = self.leftover()
        if leftover:
            self._loop.run_until_complete(cancel(leftover))


async def _awaited(awaitable):
    return await awaitable


def run(main, *, debug=None, loop_factory=None):
    """Execute the coroutine and return the result, as `asyncio.run` does."""
    with Runner() as runner:
        return runner.run(main)


async def run_awaited(function, *args, **kwargs):
    """`asyncio.run(...)` written at the outermost level of a program.

    There it can be awaited, which keeps the stack empty while tools run.
    """
    if function is not run or len(args) != 1:
        return function(*args, **kwargs)
    runner = Runner()
    try:
        return await runner.run_awaited(args[0])
    finally:
        leftover = runner.leftover()
        if leftover:
            await cancel(leftover)


async def run_until_complete_awaited(function, *args):
    """The same for `loop.run_until_complete(...)`."""
    loop = getattr(function, "__self__", None)
    if not isinstance(loop, Loop) or len(args) != 1:
        return function(*args)
    return await tasks.ensure_future(args[0], loop=loop)


def install():
    """Makes the one loop what all of asyncio uses."""
    import asyncio

    loop = Loop()
    events._set_event_loop_policy(Policy(loop))
    asyncio.all_tasks = tasks.all_tasks = all_tasks
    asyncio.Runner = asyncio.runners.Runner = Runner
    asyncio.run = asyncio.runners.run = run
    asyncio.new_event_loop = events.new_event_loop = lambda: loop
    return loop
