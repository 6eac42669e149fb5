# gives: 5
from servers.demo import get_order
(await get_order(5))["id"]
