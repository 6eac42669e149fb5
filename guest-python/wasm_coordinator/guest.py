"""The guest: what the host calls.

`run` starts a program and `resume` continues it; both run it until it has
ended or everything in it waits, and say which. The state of a program between
two calls is in `_Running`; its variables outlive it, in the module `__main__`.
"""

import asyncio
import builtins
import gc
import os
import posix
import signal
import sys
import types
import warnings
from asyncio import tasks
from inspect import isawaitable

import componentize_py_types as wit_results
import wit_world
from wit_world.imports import types as wit

from . import (
    absent,
    calls,
    console,
    errors,
    executors,
    immortal,
    loop,
    names,
    preload,
    program,
    report,
    scrub,
    warm,
)

_OK = wit_results.Ok
_ERR = wit_results.Err

# Rounds that cancelled tasks get to end: enough for what cleans up, an end
# for what refuses to.
_MAX_ROUNDS = 100

# Warnings that a program can cause.
_MAX_WARNINGS = 20

# What `references` calls them, and the contract.
_KINDS = {
    "module": wit.ReferenceKind.MODULE,
    "name": wit.ReferenceKind.NAME,
    "dynamic-code": wit.ReferenceKind.DYNAMIC_CODE,
    "dynamic-import": wit.ReferenceKind.DYNAMIC_IMPORT,
    "servers-write": wit.ReferenceKind.SERVERS_WRITE,
    "endless-loop": wit.ReferenceKind.ENDLESS_LOOP,
}


class _Running:
    """The program that runs."""

    def __init__(self, name):
        self.name = name
        self.task = None
        self.warnings = []
        self.more_warnings = 0
        # Kept apart: not said when the failure is about a forgotten `await`.
        self.unawaited = []
        self.told_await = False

    def warn(self, sentence):
        if len(self.warnings) < _MAX_WARNINGS:
            self.warnings.append(program.clean(sentence[:1000]))
        else:
            self.more_warnings += 1


class Guest:
    """A session's programs."""

    def __init__(self):
        self.loop = loop.install()
        self.calls = calls.Calls(self.loop)
        self.main = types.ModuleType("__main__")
        self.running = None
        self.started = False
        catalog = names.install(self.calls, builtins, self._warn)
        absent.install(builtins, catalog)
        setattr(builtins, program.RETURN, program.Return)
        setattr(builtins, program.RUN, loop.run_awaited)
        setattr(builtins, program.RUN_UNTIL_COMPLETE, loop.run_until_complete_awaited)
        # So that a call that was never awaited can be shown.
        sys.set_coroutine_origin_tracking_depth(1)
        self.loop.set_exception_handler(self._unhandled)
        self.show_warning = warnings._showwarnmsg_impl
        self.warn_unawaited = warnings._warn_unawaited_coroutine
        warnings._warn_unawaited_coroutine = self._unawaited
        executors.install(self._warn_once)
        for name, end in (("_exit", program.exit_now), ("abort", program.abort_now)):
            setattr(os, name, end)
            setattr(posix, name, end)
        signal.raise_signal = program.raise_signal

    def run(self, given):
        try:
            return self._run(given)
        except BaseException as error:
            return self._broken(error)

    def resume(self, completions):
        try:
            self.calls.deliver(completions)
            return self._pump()
        except BaseException as error:
            return self._broken(error)

    def references(self, given):
        try:
            found = program.references(given.source, given.name)
            return [
                wit.Reference(_KINDS[kind], program.clean(name), line, column)
                for kind, name, line, column in found
            ]
        except BaseException:
            # Not a program, or too much for what memory is left: `run` says so.
            return []

    def _run(self, given):
        name = given.name
        self.running = _Running(name)
        self._start(given)
        variables = self.main.__dict__
        try:
            code, awaits = program.read(given.source, name)
            result = eval(code, variables)
            if not awaits:
                result = variables.pop(program.RESULT, None)
        except BaseException as error:
            return self._finish(error=error)
        if awaits or isawaitable(result):
            return self._await(result)
        return self._finish(result)

    def _broken(self, error):
        """Ends a program whose own code (a `__str__`, a property) raised where
        its end was being told. A session goes on after that, too."""
        kind = program.clean(type(error).__name__)
        message = "code of the program raised this while its end was being told"
        raised = wit.Exception(kind, message, f"{kind}: {message}\n", None)
        memory = isinstance(error, MemoryError)
        failure = wit.Failure_OutOfMemory if memory else wit.Failure_Raised
        self.running = None
        self.main.__dict__.pop(program.RESULT, None)
        self.calls.forget()
        self.loop.forget()
        console.flush()
        return wit.Step_Finished(wit.Outcome(_ERR(failure(raised)), []))

    def forget_programs(self):
        """Forgets that anything ran."""
        self.main = types.ModuleType("__main__")
        self.started = False
        program.forget()

    def _start(self, given):
        if not self.started:
            self.started = True
            try:
                os.chdir("/workspace")
            except OSError:
                # A host without a workspace: files cannot be had at all.
                pass
        variables = self.main.__dict__
        variables["__builtins__"] = builtins
        variables["__file__"] = given.name
        sys.modules["__main__"] = self.main
        sys.argv = [given.name, *given.arguments]

    def _await(self, awaitable):
        """Makes an awaitable what the program is."""
        try:
            task = tasks.ensure_future(awaitable, loop=self.loop)
        except TypeError as error:
            return self._finish(error=error)
        if isinstance(task, tasks.Task):
            task._log_destroy_pending = False
        self.running.task = task
        return self._pump()

    def _pump(self):
        """Runs until the program has ended or everything waits."""
        running = self.running
        task = running.task
        try:
            self.loop.turn(task)
        except BaseException as error:
            # `SystemExit` and its like leave the loop from any task.
            return self._finish(error=error)
        if task.done():
            return self._ended(task)
        timer = self.loop.next_timer()
        if timer is None and not self.calls.in_flight():
            failure = wit.Failure_Stuck(report.stuck(_coroutine(task), running.name))
            return self._finish(failure=failure)
        console.flush()
        return wit.Step_Waiting(timer)

    def _ended(self, task):
        if task.cancelled():
            error = asyncio.CancelledError("the program was cancelled")
            return self._finish(error=error)
        error = task.exception()
        if error is not None:
            return self._finish(error=error)
        variables = self.main.__dict__
        value = variables.pop(program.RESULT, task.result())
        if isawaitable(value):
            return self._await(value)
        return self._finish(value)

    def _finish(self, value=None, error=None, failure=None):
        """Ends the program: its result, its leftovers, its warnings."""
        running = self.running
        if isinstance(error, program.Return):
            value, error = error.value, None
            if isawaitable(value):
                return self._await(value)
        result = None
        if error is not None:
            result = self._failed(error)
        elif failure is not None:
            result = _ERR(failure)
        else:
            try:
                result = _OK(program.value_of(value))
            except BaseException as late:
                result = self._failed(late)
        self._clean_up(silent=failure is not None)
        self.main.__dict__.pop(program.RESULT, None)
        console.flush()
        if not running.told_await:
            for sentence in running.unawaited:
                running.warn(sentence)
        if running.more_warnings:
            running.warnings.append(f"{running.more_warnings} more warnings")
        self.running = None
        return wit.Step_Finished(wit.Outcome(result, running.warnings))

    def _failed(self, error):
        if isinstance(error, SystemExit):
            return self._exited(error)
        raised, self.running.told_await = report.exception(error, self.running.name)
        return _ERR(_failure(error, raised))

    def _exited(self, error):
        try:
            code = error.code
        except BaseException:
            # A class of the program has a property in its place.
            code = 1
        if code is None:
            return _OK(wit.Value_Nothing())
        if isinstance(code, int):
            # Without what a class of the program makes of it.
            code = int.__index__(code)
        else:
            console.complain(code)
            code = 1
        if code == 0:
            return _OK(wit.Value_Nothing())
        if not -(1 << 31) <= code < 1 << 31:
            code = 1
        return _ERR(wit.Failure_Exited(code))

    def _clean_up(self, silent):
        """Ends what the program left running, and reports it unless what
        was said already explains it."""
        running = self.running
        pending = [
            task
            for task in loop.every_task(self.loop)
            if task is not running.task and not task.done()
        ]
        if running.task is not None and not running.task.done():
            running.task.cancel()
        if pending or running.task is not None and not running.task.done():
            for task in pending:
                if not silent:
                    running.warn(_left_behind(task))
                task.cancel()
            self._let_end([*pending, running.task])
        if self.calls.futures:
            self.calls.forget()
        if self.loop._ready or self.loop._scheduled:
            self.loop.forget()
        for name, value in list(self.main.__dict__.items()):
            if type(value) is types.CoroutineType and report.pending(value):
                running.warn(
                    f"`{name}` is the coroutine of `{value.__name__}(...)`, which was "
                    f"never awaited{_origin(value)}: "
                    f"write `{name} = await {value.__name__}(...)`"
                )
                value.close()

    def _let_end(self, cancelled):
        for _ in range(_MAX_ROUNDS):
            try:
                self.loop.turn()
            except BaseException:
                # A task that answers its cancellation with `sys.exit`.
                continue
            break
        for task in cancelled:
            if task is not None and not task.done():
                task._log_destroy_pending = False

    def _unawaited(self, coroutine):
        """Called by Python when a coroutine dies that was never awaited."""
        if warnings._showwarnmsg_impl is not self.show_warning:
            # The program catches its warnings.
            self.warn_unawaited(coroutine)
            return
        if self.running is not None and len(self.running.unawaited) < _MAX_WARNINGS:
            self.running.unawaited.append(
                f"`{coroutine.__name__}(...)` was never awaited{_origin(coroutine)}: "
                f"write `await {coroutine.__name__}(...)`"
            )

    def _warn(self, sentence):
        if self.running is not None:
            self.running.warn(sentence)

    def _warn_once(self, sentence):
        if self.running is not None and sentence not in self.running.warnings:
            self.running.warn(sentence)

    def _unhandled(self, _loop, context):
        """Called by asyncio for errors that have nobody to go to."""
        error = context.get("exception")
        if self.running is None or error is None:
            return
        self.running.warn(
            f"{context.get('message', 'unhandled exception')}: "
            f"{type(error).__name__}: {error}"
        )


def _failure(error, raised):
    """What an uncaught exception means. `raised` is its report.

    `asyncio.TaskGroup` wraps what its tasks raise: a group means what all of
    its exceptions mean, and where they differ it is the program's own failure.
    """
    if isinstance(error, loop.Stuck):
        return wit.Failure_Stuck(raised)
    if isinstance(error, MemoryError):
        return wit.Failure_OutOfMemory(raised)
    exceptions = _ungrouped(error)
    refused = [errors.refusal(each) for each in exceptions]
    if all(refused):
        return wit.Failure_Refused(wit.Refusal(refused[0], raised))
    if all(isinstance(each, MemoryError) for each in exceptions):
        return wit.Failure_OutOfMemory(raised)
    return wit.Failure_Raised(raised)


def _ungrouped(error):
    """The exceptions of a group, groups inside of it included; any other
    exception is the only one."""
    exceptions = []
    waiting = [error]
    while waiting:
        each = waiting.pop()
        if isinstance(each, BaseExceptionGroup):
            waiting.extend(reversed(each.exceptions))
        else:
            exceptions.append(each)
    return exceptions


def _coroutine(task):
    get = getattr(task, "get_coro", None)
    return get() if get is not None else None


def _origin(coroutine):
    """` (line N)`, where a coroutine was made."""
    for file, line, _name in getattr(coroutine, "cr_origin", None) or ():
        if report.of_author(file):
            return f" (line {line} of {file})"
    return ""


def _left_behind(task):
    coroutine = _coroutine(task)
    name = getattr(coroutine, "__qualname__", type(coroutine).__name__)
    frame = getattr(coroutine, "cr_frame", None)
    where = ""
    if frame is not None and report.of_author(frame.f_code.co_filename):
        where = f", which is at line {frame.f_lineno} of {frame.f_code.co_filename}"
    given = task.get_name()
    called = "" if given.startswith("Task-") else f" {given!r}"
    return (
        f"the task{called} of `{name}`{where} had not ended when the program did, "
        "and was cancelled: await it"
    )


class WitWorld(wit_world.WitWorld):
    """The exports of the world, as componentize-py finds them."""

    def references(self, program):
        return _guest.references(program)

    def run(self, program):
        return _guest.run(program)

    def resume(self, completions):
        return _guest.resume(completions)


preload.load()
_guest = Guest()
preload.settle()
warm.warm(_guest)
gc.collect()
# Kept, so that it is in the snapshot.
_immortal = immortal.note()
gc.freeze()
_holes = scrub.scrub(_immortal[0])
gc.freeze()
