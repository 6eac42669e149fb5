"""A small MCP server over stdio, with the tools that programs call.

python3 tool_server.py TABLE    a file, which the tool `table` answers with
"""

import json
import os
import select
import sys
import time

from naps import Tools

SCHEMAS = {
    "noop": {"type": "object", "properties": {"x": {"type": "integer"}}},
    "nap": {"type": "object", "properties": {}},
    "table": {"type": "object", "properties": {}},
}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        tools = Tools(file.read())
    buffer = b""
    while True:
        until = tools.until()
        left = None if until is None else max(0, until - time.monotonic())
        if select.select([0], [], [], left)[0]:
            part = os.read(0, 1 << 16)
            if not part:
                return
            *lines, buffer = (buffer + part).split(b"\n")
            for line in lines:
                answer(tools, json.loads(line))
        for key in tools.due():
            send(key, text("1"))


def answer(tools, message):
    if "id" not in message or "method" not in message:
        return
    key, method = message["id"], message["method"]
    if method == "tools/call":
        content = tools.call(key, message["params"]["name"])
        if content is not None:
            send(key, text(content))
    elif method == "initialize":
        version = message["params"]["protocolVersion"]
        information = {"name": "peers", "version": "1"}
        known = {"protocolVersion": version, "serverInfo": information}
        send(key, {**known, "capabilities": {"tools": {}}})
    elif method == "tools/list":
        items = SCHEMAS.items()
        listed = [{"name": name, "inputSchema": schema} for name, schema in items]
        send(key, {"tools": listed})
    elif method == "ping":
        send(key, {})
    else:
        error = {"code": -32601, "message": f"unknown method `{method}`"}
        write({"jsonrpc": "2.0", "id": key, "error": error})


def text(content):
    return {"content": [{"type": "text", "text": content}]}


def send(key, result):
    write({"jsonrpc": "2.0", "id": key, "result": result})


def write(message):
    left = memoryview(json.dumps(message).encode() + b"\n")
    while left:
        left = left[os.write(1, left) :]


if __name__ == "__main__":
    main()
