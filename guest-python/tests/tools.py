"""The demo server's tools, in every way to call one."""

import asyncio
import inspect

import mcp_tools.demo
from servers import demo
from servers.demo import get_order

print(dir(demo), inspect.signature(demo.get_order))
answers = await asyncio.gather(
    get_order(7),
    get_order(id=7),
    get_order({"id": 7}),
    demo.get_order(7),
    tools.demo.get_order(7),
    call_tool("demo.get_order", {"id": 7}),
    call_tool("demo.get_order", id=7),
    callMCPTool("demo__get_order", {"id": 7}),
    asyncio.to_thread(mcp_tools.demo.get_order, 7),
)
answers.append(mcp_tools.demo.get_order(7))
answers.append(call_tool_sync("demo.get_order", {"id": 7}))
print(len(answers), all(answer == answers[0] for answer in answers), answers[0]["id"])
for bad in (lambda: get_order(idd=7), lambda: call_tool("demo.get_ordr", {})):
    try:
        await bad()
    except ToolError as error:
        print(type(error).__name__, error.kind, error.parameters[0])
for line in ("from servers.demo import get_ordr", "from servers import dmeo"):
    try:
        exec(line)
    except ImportError as error:
        print(str(error).partition(" (")[0])
try:
    await get_order(1, 2)
except TypeError as error:
    print(error)
for order in demo.list_orders(limit=2):
    print(order)
