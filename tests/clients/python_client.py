"""A whole conversation with `wasm-coordinator serve`, through the official SDK.

It takes one argument, a JSON object: how the server is reached (`command`,
`args` and `env`, or `url` and `token`), the `era` of the protocol, the
`programs` to run, and a `marker`, a file that one of them writes. It prints a
JSON object for each step; what they must say is in `tests/all/clients.rs`, and
`typescript_client.mjs` has the same conversation.
"""

import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx2
import mcp_types as types
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

MODES = {"handshake": "legacy", "stateless": "auto"}


def say(step, value):
    print(json.dumps({"step": step, "value": value}), flush=True)


class Person:
    """Decides what they are asked, and remembers it."""

    def __init__(self):
        self.decision = "refuse"

    async def answer(self, context, params):
        say("asked", params.model_dump(mode="json", by_alias=True, exclude_none=True))
        return types.ElicitResult(action="accept", content={"decision": self.decision})


@asynccontextmanager
async def connected(talk, person):
    options = {"mode": MODES[talk["era"]], "elicitation_callback": person.answer}
    if "command" in talk:
        server = StdioServerParameters(
            command=talk["command"], args=talk["args"], env=talk["env"]
        )
        async with Client(server, **options) as client:
            yield client
    else:
        headers = {"Authorization": f"Bearer {talk['token']}"}
        async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
            transport = streamable_http_client(talk["url"], http_client=http)
            async with Client(transport, **options) as client:
                yield client


async def converse(client, person, talk):
    programs = talk["programs"]

    async def call(step, tool, **arguments):
        result = await client.call_tool(tool, arguments)
        say(step, result.model_dump(mode="json", by_alias=True, exclude_none=True))
        return result.structured_content

    tools = (await client.list_tools()).tools
    say(
        "discover",
        {
            "protocol": client.protocol_version,
            "server": client.server_info.name,
            "instructions": client.instructions,
            "tools": [tool.name for tool in tools],
        },
    )
    await call("search", "search_tools", query=talk["query"])
    await call("stub", "read_file", path=talk["stub"])

    session = (await call("open", "sessions", action="open"))["session"]
    await call("first", "execute", code=programs["first"], session=session)
    await call("second", "execute", code=programs["second"], session=session)

    large = await call(
        "large", "execute", code=programs["large"], session=session, max_tokens=500
    )
    kept = large["kept"][0]["path"]
    await call("kept", "read_file", path=kept, session=session, max_tokens=300)

    # Cancelled once the program is known to run: it has written the marker, and the
    # server has its call.
    async with anyio.create_task_group() as doomed:
        doomed.start_soon(
            client.call_tool,
            "execute",
            {"code": programs["endless"], "session": session},
        )
        with anyio.fail_after(60):
            marker, log = Path(talk["marker"]), Path(talk["log"])
            while not (marker.exists() and "silent" in log.read_text()):
                await anyio.sleep(0.02)
        stopped = anyio.current_time()
        doomed.cancel_scope.cancel()
    await call("cancelled", "execute", code=programs["free"], session=session)
    say("seconds", anyio.current_time() - stopped)

    person.decision = "allow this call"
    await call("allowed", "execute", code=programs["asking"], session=session)
    person.decision = "refuse"
    await call("refused", "execute", code=programs["asking"], session=session)

    await call("close", "sessions", action="close", session=session)
    await call("closed", "execute", code="1", session=session)


async def main():
    talk = json.loads(sys.argv[1])
    person = Person()
    async with connected(talk, person) as client:
        await converse(client, person, talk)
    say("left", True)


anyio.run(main)
