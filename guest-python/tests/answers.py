"""The whole answer of a call, and what a tool may be given."""

import datetime
import decimal
import pickle

from mcp_tools.demo import get_order as get_order_now
from servers.demo import get_order
from wasm_coordinator.values import to_json

answer = await get_order.full(1)
same = [
    await call_tool_full("demo.get_order", {"id": 1}),
    await tools.demo.get_order.full(id=1),
    get_order_now.full(1),
    call_tool_full_sync("demo.get_order", id=1),
]
print(all(each == answer for each in same), answer.value == await get_order(1))
print(isinstance(answer.content, list), answer.content[0]["type"], answer.meta)
print(repr(answer)[:17], isinstance(answer, ToolAnswer))
for bad in (float("nan"), decimal.Decimal("Infinity"), b"1", object(), get_order(2)):
    try:
        await get_order({"id": [bad]})
    except ToolArgumentError as error:
        print(error.kind, str(error).partition(": ")[2][:50])
print(to_json({"big": 10**21 + 1, "exact": decimal.Decimal("0.1000"), "set": {2, 1}}))
print(len(to_json(10**5000)), to_json([datetime.date(2026, 1, 2)]))
failed = ToolError("m", "s", "t", "failed", (), -32000, {"a": [1]})
copy = pickle.loads(pickle.dumps(failed))
print(copy.code, copy.data, ToolUnusableAnswer.__mro__[1] is ToolError)
answer
