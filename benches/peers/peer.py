"""What a peer is, and its two kinds: a library in a host process of its own, and
a native interpreter whose processes are the sandboxes."""

import statistics
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from lines import LINES, PROGRAMS, SESSIONS, Tools
from naps import Tools as Answers
from process import Child, Failed, environment, pss, run_once

HERE = Path(__file__).resolve().parent
HOSTS = HERE / "hosts"
ENDINGS = {"python": "py", "javascript": "js"}

# Programs have them under their names, and await them.
PLAIN = Tools()

# A peer that takes longer for one run is not asked for a second one.
SLOW = 3.0


@dataclass(frozen=True)
class Plan:
    """How much one peer is measured for one line in one round."""

    count: int
    seconds: float


@dataclass(frozen=True)
class Place:
    """Where all peers find what they need."""

    cache: Path
    # Removed at the end.
    work: Path
    # The answer of the tool `table`.
    table: Path


def series(work, plan):
    """Times of a few runs in milliseconds, after one that does not count."""
    first = timed(work)
    if first > SLOW * 1e3:
        return [first]
    until = time.perf_counter() + plan.seconds
    samples = [timed(work)]
    while len(samples) < plan.count and time.perf_counter() < until:
        samples.append(timed(work))
    return samples


def timed(work):
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e3


class Peer:
    """Something that runs programs. Subclasses give `fresh`, `live`, `rate` and
    `memory`, for the lines that they have; and `command`, for whole processes."""

    lines = set(LINES)
    # Of one request to a peer.
    timeout = 60.0
    sessions = SESSIONS

    def __init__(self, name, language, place, tools=PLAIN):
        self.name = name
        self.language = language
        self.place = place
        self.programs = PROGRAMS[language](tools)

    def measure(self, line, plan):
        """The median of what was measured, in the unit of times or of the line."""
        hello = self.programs["hello"]
        if line in ("hello", "fib", "loop"):
            return statistics.median(self.fresh(self.programs[line], plan))
        if line in ("session", "call", "calls", "json"):
            program = self.programs.get(line, hello)
            return statistics.median(self.live(program, plan)) / program.parts
        if line == "process":
            return statistics.median(series(self.whole, plan))
        if line == "memory":
            return self.memory(hello, self.sessions)
        if line == "rate":
            return self.rate(hello, plan)
        return self.first()

    def whole(self):
        self.run_script(self.environment())

    def first(self):
        """With nothing in any cache of its own."""
        folder = self.place.work / f"cold-{time.monotonic_ns()}"
        folder.mkdir()
        began = time.perf_counter()
        self.run_script(self.cold(folder))
        return (time.perf_counter() - began) * 1e3

    def run_script(self, env, timeout=300):
        program = self.programs["hello"]
        script = self.script("hello")
        command = self.command(script)
        run_once(command, program.prints, timeout, env, self.place.work)

    def script(self, name):
        path = self.place.work / f"{name}.{ENDINGS[self.language]}"
        if not path.exists():
            path.write_text(self.programs[name].code)
        return path

    def environment(self):
        return environment()

    def cold(self, folder):
        names = ["HOME", "TMPDIR", "XDG_CACHE_HOME"]
        return {**self.environment(), **dict.fromkeys(names, str(folder))}

    def prepare(self):
        pass

    def stop(self):
        pass


class Library(Peer):
    """A library, driven by one of the scripts in `hosts`."""

    def __init__(self, name, language, place, host, *, tools=PLAIN, **more):
        super().__init__(name, language, place, tools)
        # The words that start its host, up to the arguments.
        self.host = host
        self.lines = set(LINES) - more.get("without", set())
        self.sessions = more.get("sessions", SESSIONS)
        # The words that run a script, if it has a command for that.
        self.runs = more.get("runs", [*host, "--once"])
        self.more = more.get("environment", {})
        self.caches = more.get("caches", [])
        self.child = None

    def environment(self):
        return environment(**self.more)

    def cold(self, folder):
        env = super().cold(folder)
        return {**env, **{name: str(folder / "cache") for name in self.caches}}

    def command(self, script):
        return [*self.runs, str(script)]

    def open(self):
        command = [*self.host, str(self.place.table)]
        return Child(command, self.environment(), self.place.work)

    def ask(self, child, what, program, count, seconds):
        deadline = time.monotonic() + self.timeout
        request = {"do": what, "code": program.code, "prints": program.prints}
        child.send({**request, "count": count, "budget": seconds}, deadline)
        answer = child.receive(deadline)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def kept(self, what, program, plan):
        if self.child is None:
            self.child = self.open()
        try:
            return self.ask(self.child, what, program, plan.count, plan.seconds)
        except Failed:
            # The next line gets a host that is well.
            self.stop()
            raise

    def fresh(self, program, plan):
        return self.kept("fresh", program, plan)["samples"]

    def live(self, program, plan):
        return self.kept("live", program, plan)["samples"]

    def rate(self, program, plan):
        """Two hosts at the same time, for libraries that use one core."""
        hosts = [self.open(), self.open()]
        try:
            deadline = time.monotonic() + self.timeout
            request = {"do": "rate", "code": program.code, "prints": program.prints}
            # Both have started before either is measured.
            for seconds in (0, plan.seconds):
                for host in hosts:
                    host.send({**request, "budget": seconds}, deadline)
                answers = [host.receive(deadline) for host in hosts]
            for answer in answers:
                if "error" in answer:
                    raise Failed(answer["error"])
            return sum(answer["runs"] / answer["seconds"] for answer in answers)
        finally:
            for host in hosts:
                host.stop()

    def memory(self, program, count):
        host = self.open()
        try:
            self.ask(host, "keep", program, 1, 0)
            before = pss(host.pid)
            self.ask(host, "keep", program, count, 0)
            return (pss(host.pid) - before) / count
        finally:
            host.stop()

    def stop(self):
        if self.child is not None:
            self.child.stop()
            self.child = None


class Native(Peer):
    """An interpreter of the machine. A new sandbox is a new process, and a session
    is a process that is asked over a pipe."""

    # A whole process is its new sandbox, and it has no cache of its own.
    lines = set(LINES) - {"hello", "first"}

    def __init__(self, name, language, place, words, **more):
        # Python waits for an answer; only Node must do something else meanwhile.
        tools = Tools(awaits=language == "javascript")
        super().__init__(name, language, place, tools)
        self.words = words
        self.worker = HOSTS / more["worker"]
        self.answers = place.table.read_text(encoding="utf-8")

    def command(self, script):
        return [*self.words, str(script)]

    def fresh(self, program, plan):
        name = next(name for name, one in self.programs.items() if one is program)
        command = self.command(self.script(name))
        env, folder = self.environment(), self.place.work

        def run():
            run_once(command, program.prints, self.timeout, env, folder)

        return series(run, plan)

    def open(self):
        command = self.command(self.worker)
        return Child(command, self.environment(), self.place.work)

    def live(self, program, plan):
        child = self.open()
        try:
            return series(lambda: self.run(child, program), plan)
        finally:
            child.stop()

    def run(self, child, program):
        """Runs a program, and answers its calls meanwhile."""
        deadline = time.monotonic() + self.timeout
        tools = Answers(self.answers)
        child.send({"code": program.code}, deadline)
        while True:
            until = tools.until()
            if until is None or child.ready(until):
                message = child.receive(deadline)
                if "printed" in message:
                    break
                value = tools.call(message["call"], message["tool"])
                if value is not None:
                    answer = {"answer": message["call"], "value": value}
                    child.send(answer, deadline)
            for key in tools.due():
                child.send({"answer": key, "value": "1"}, deadline)
        if message["error"] or message["printed"].strip() != program.prints:
            raise Failed(message["error"] or f"it printed `{message['printed'][:100]}`")

    def rate(self, program, plan):
        """Two processes at the same time."""
        done, problems = [], []

        def loop():
            runs, began = 0, time.monotonic()
            try:
                while time.monotonic() < began + plan.seconds:
                    self.whole()
                    runs += 1
                done.append(runs / (time.monotonic() - began))
            except Failed as problem:
                problems.append(problem)

        threads = [threading.Thread(target=loop) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if problems:
            raise problems[0]
        return sum(done)

    def memory(self, program, count):
        children = []
        try:
            sizes = []
            for _ in range(count + 1):
                child = self.open()
                children.append(child)
                self.run(child, program)
            for child in children[1:]:
                sizes.append(pss(child.pid))
            return sum(sizes) / count
        finally:
            for child in children:
                child.stop()
