# fails: ToolArgumentError
# hint: `id`
from servers.demo import get_order
await get_order(order_id=5)
