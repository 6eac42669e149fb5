"""`wasm-coordinator`: whole processes of `exec`, and `serve` over stdio."""

import json
import subprocess
import sys
import time
from pathlib import Path

from lines import LINES, Tools
from peer import HERE, Peer, series
from process import Child, Failed, environment, pss, run_once

# Programs that `serve` has at the same time for the line `rate`.
IN_FLIGHT = 4

VERSION = "2025-11-25"

IMPORTS = {
    "python": Tools("from servers.peer import NAME\n"),
    "javascript": Tools('import { NAME } from "servers/peer";\n'),
}


class Ours(Peer):
    lines = set(LINES)

    def __init__(self, language, program, place):
        super().__init__("wasm-coordinator", language, place, IMPORTS[language])
        self.program = str(program)
        self.server = None
        self.cache = place.cache / "guests"
        # Not where `exec` is started: it would ask whether to trust it.
        self.config = place.work / "serve/mcp.json"
        self.config.parent.mkdir(exist_ok=True)
        # The Python that runs this, with no shim in front of it.
        server = [str(HERE / "tool_server.py"), str(place.table)]
        entry = {"command": sys.executable, "args": ["-E", "-S", "-B", *server]}
        self.config.write_text(json.dumps({"mcpServers": {"peer": entry}}))

    def prepare(self):
        env = self.environment()
        run_once([self.program, "warm"], "", 300, env, self.place.work)

    def environment(self):
        return environment(WASM_COORDINATOR_CACHE=self.cache)

    def start(self):
        if self.server is None:
            self.server = Server(self)
        return self.server

    def fresh(self, program, plan):
        server = self.start()
        return series(lambda: server.execute(program), plan)

    def live(self, program, plan):
        server = self.start()
        session = server.open()
        try:
            return series(lambda: server.execute(program, session), plan)
        finally:
            server.call("sessions", {"action": "close", "session": session})

    def rate(self, program, plan):
        return self.start().rate(program, plan)

    def memory(self, program, count):
        server = Server(self)
        try:
            server.execute(program, server.open())
            before = pss(server.child.pid)
            for _ in range(count):
                server.execute(program, server.open())
            return (pss(server.child.pid) - before) / count
        finally:
            server.child.stop()

    def command(self, script):
        return [self.program, "exec", str(script)]

    def cold(self, folder):
        cache = str(folder / "guests")
        return {**super().cold(folder), "WASM_COORDINATOR_CACHE": cache}

    def ping(self, plan):
        """How long the protocol takes alone, in milliseconds."""
        server = self.start()
        return series(lambda: server.request("ping", {}), plan)

    def isolation(self):
        """What the program says of the second barrier on this machine."""
        command = [*self.command(self.script("hello")), "--json"]
        env, folder = self.environment(), self.place.work
        done = subprocess.run(
            command, env=env, cwd=folder, capture_output=True, timeout=self.timeout
        )
        used = json.loads(done.stdout)["usage"]["isolation"]
        missing = ", ".join(map(str, used["missing"])) or "nothing"
        return f"{used['kind']}, {missing} missing"

    def stop(self):
        if self.server is not None:
            self.server.child.stop()
            self.server = None


class Server:
    """`serve`, and a client of it."""

    def __init__(self, ours):
        self.language = ours.language
        self.timeout = ours.timeout
        command = [ours.program, "serve", "--config", str(ours.config)]
        self.child = Child(command, ours.environment(), Path(ours.place.work))
        self.next = 0
        try:
            client = {"name": "peers", "version": "1"}
            hello = {"protocolVersion": VERSION, "capabilities": {}}
            self.request("initialize", {**hello, "clientInfo": client})
            deadline = time.monotonic() + self.timeout
            ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
            self.child.send(ready, deadline)
        except BaseException:
            self.child.stop()
            raise

    def send(self, method, params, deadline):
        self.next += 1
        request = {"jsonrpc": "2.0", "id": self.next, "method": method}
        self.child.send({**request, "params": params}, deadline)
        return self.next

    def receive(self, deadline):
        """The next answer, whichever it is."""
        while True:
            message = self.child.receive(deadline)
            if "method" not in message:
                if "error" in message:
                    raise Failed(f"`serve`: {message['error'].get('message')}")
                return message

    def request(self, method, params):
        deadline = time.monotonic() + self.timeout
        key = self.send(method, params, deadline)
        while True:
            message = self.receive(deadline)
            if message["id"] == key:
                return message["result"]

    def call(self, tool, arguments):
        params = {"name": tool, "arguments": arguments}
        return checked(self.request("tools/call", params))

    def open(self):
        return self.call("sessions", {"action": "open"})["structuredContent"]["session"]

    def execute(self, program, session=None):
        arguments = self.arguments(program)
        if session is not None:
            arguments["session"] = session
        return printed(self.call("execute", arguments), program)

    def arguments(self, program):
        return {"code": program.code, "language": self.language}

    def rate(self, program, plan):
        """Runs a second, with several on their way at the same time."""
        params = {"name": "execute", "arguments": self.arguments(program)}
        deadline = time.monotonic() + self.timeout
        began = time.monotonic()
        until = began + plan.seconds
        for _ in range(IN_FLIGHT):
            self.send("tools/call", params, deadline)
        left, runs = IN_FLIGHT, 0
        while left:
            printed(checked(self.receive(deadline)["result"]), program)
            left -= 1
            runs += 1
            if time.monotonic() < until:
                self.send("tools/call", params, deadline)
                left += 1
        return runs / (time.monotonic() - began)


def checked(result):
    if result.get("isError"):
        text = " ".join(block.get("text", "") for block in result["content"])
        raise Failed(f"`serve`: {text[:300]}")
    return result


def printed(result, program):
    output = result["structuredContent"].get("stdout") or ""
    if output.strip() != program.prints:
        raise Failed(f"it printed `{output[:100]}` instead of `{program.prints}`")
    return result
