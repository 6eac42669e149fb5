# gives: "invalid_arguments"
from servers.demo import get_order
try:
    result = await get_order(id=-5)
except ToolError as error:
    result = error.kind
result
