"""The first lines of what is published about tools as code."""

import contextlib
import io
import os

from mcp_tools import list_servers
from mcp_tools.demo import get_order, list_tools

print(list_servers(), [tool["name"] for tool in list_tools()])
print(list_tools()[0]["python"], list_tools()[0]["parameters"])
print(get_order(1)["id"], (await callMCPTool("getOrder", {"id": 1}))["id"])
from servers.demo import list_tools as awaited  # noqa: E402

print(len(await awaited()), await list_directory("/servers/"))
text = read_file("/servers/demo/get_order.py")
print("def get_order" in text, text == await read_file("/servers/demo/get_order.py"))
print(set(os.listdir("/servers")) == set(list_directory("/servers")))
with contextlib.redirect_stdout(io.StringIO()) as shown:
    help(get_order)
print("async def get_order(id: int) -> Result:" in shown.getvalue())
