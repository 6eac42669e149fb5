"""Processes that are started, timed, asked and ended: nothing here waits for
ever, and nothing that was started stays."""

import ctypes
import fcntl
import json
import os
import select
import signal
import subprocess
import tempfile
import time
from pathlib import Path

# A message of a peer has the table twice, at most.
MAX_MESSAGE = 32 << 20
# The end of what a peer wrote to stderr, in an error.
SHOWN = 300


class Failed(Exception):
    """A peer did not do what it was asked."""


def adopt():
    """Makes whatever loses its parent a child of this process, for `sweep`."""
    PR_SET_CHILD_SUBREAPER = 36
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def sweep():
    """Ends all that was started from here."""
    for pid in descendants(os.getpid()):
        kill(os.kill, pid)
    reap()


def reap():
    """Waits for those adopted that have ended. It is called while no process but
    those of `Child` is waited for elsewhere."""
    for pid in children().get(os.getpid(), []):
        if pid not in Child.running:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass


def kill(how, pid):
    try:
        how(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def children():
    """Of each process."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path("/proc", entry, "stat").read_text()
            except OSError:
                continue
            # The name is in brackets and may have any character.
            parent = int(stat.rpartition(")")[2].split()[1])
            found.setdefault(parent, []).append(int(entry))
    return found


def descendants(root):
    below = children()
    found, left = [], [root]
    while left:
        for child in below.get(left.pop(), []):
            found.append(child)
            left.append(child)
    return found


def pss(root):
    """The proportional set size of a process and all below it, in MiB."""
    total = 0
    for pid in [root, *descendants(root)]:
        try:
            rollup = Path("/proc", str(pid), "smaps_rollup").read_text()
        except OSError:
            continue
        for line in rollup.splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def environment(**more):
    """What peers are started with: no settings of whoever starts this."""
    kept = ["PATH", "HOME", "LANG", "TMPDIR", "XDG_CACHE_HOME"]
    values = {name: os.environ[name] for name in kept if name in os.environ}
    return {**values, **{name: str(value) for name, value in more.items()}}


def run_once(command, prints, timeout, env, folder):
    """Runs a whole process, checks what it printed, and says how long it took in
    milliseconds."""
    with tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=env,
                cwd=folder,
                start_new_session=True,
            )
        except OSError as error:
            raise Failed(f"`{command[0]}` cannot be started: {error}") from error
        try:
            output, _ = process.communicate(timeout=timeout)
            took = (time.perf_counter() - began) * 1e3
        except subprocess.TimeoutExpired:
            raise Failed(f"no end after {timeout:.0f} s") from None
        finally:
            if process.returncode is None:
                kill(os.killpg, process.pid)
                process.wait()
                process.stdout.close()
        if process.returncode or prints not in output.decode(errors="replace"):
            errors.seek(0)
            said = tail(errors.read()) or tail(output) or "nothing was printed"
            raise Failed(f"exit status {process.returncode}: {said}")
        return took


def tail(data):
    lines = data.decode(errors="replace").strip().splitlines()
    return " ".join(lines[-3:])[-SHOWN:]


class Child:
    """A process that is asked in lines of JSON."""

    running = set()

    def __init__(self, command, env, folder):
        self.errors = tempfile.TemporaryFile()
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.errors,
                env=env,
                cwd=folder,
                start_new_session=True,
            )
        except OSError as error:
            self.errors.close()
            raise Failed(f"`{command[0]}` cannot be started: {error}") from error
        Child.running.add(self.pid)
        self.into = self.process.stdin.fileno()
        self.out = self.process.stdout.fileno()
        for stream in (self.into, self.out):
            flags = fcntl.fcntl(stream, fcntl.F_GETFL)
            fcntl.fcntl(stream, fcntl.F_SETFL, flags | os.O_NONBLOCK)
        self.buffer = bytearray()

    @property
    def pid(self):
        return self.process.pid

    def send(self, message, deadline):
        left = memoryview(json.dumps(message).encode() + b"\n")
        while left:
            try:
                left = left[os.write(self.into, left) :]
            except BlockingIOError:
                self.wait([], [self.into], deadline)
            except OSError as error:
                raise self.ended() from error

    def receive(self, deadline):
        searched = 0
        while True:
            end = self.buffer.find(b"\n", searched)
            if end >= 0:
                line = bytes(self.buffer[:end])
                del self.buffer[: end + 1]
                try:
                    return json.loads(line)
                except ValueError:
                    raise Failed(f"not JSON: {tail(line)}") from None
            searched = len(self.buffer)
            if searched > MAX_MESSAGE:
                raise Failed("a message is too long")
            try:
                part = os.read(self.out, 1 << 20)
                if not part:
                    raise self.ended()
                self.buffer += part
            except BlockingIOError:
                self.wait([self.out], [], deadline)

    def wait(self, reads, writes, deadline):
        left = deadline - time.monotonic()
        if left <= 0 or not any(select.select(reads, writes, [], left)):
            raise Failed("no answer in time")

    def ready(self, until):
        """Whether something can be received before the moment `until`."""
        if b"\n" in self.buffer:
            return True
        left = max(0, until - time.monotonic())
        return bool(select.select([self.out], [], [], left)[0])

    def ended(self):
        try:
            status = self.process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            status = "unknown"
        self.errors.seek(0)
        said = tail(self.errors.read())
        return Failed(f"it ended with exit status {status}: {said}")

    def stop(self):
        """Lets it end by itself for a moment, then ends it and all below it."""
        below = descendants(self.pid) if self.process.poll() is None else []
        self.process.stdin.close()
        try:
            self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            kill(os.killpg, self.pid)
            self.process.wait()
        # Those that outlived it were adopted here.
        adopted = {*below} & {*descendants(os.getpid())} if below else ()
        for pid in adopted:
            kill(os.kill, pid)
        Child.running.discard(self.pid)
        self.process.stdout.close()
        self.errors.close()
