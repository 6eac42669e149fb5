# gives: {"returned": true}
from servers.demo import list_orders

table = await list_orders()
counts = {}
for order in table["orders"]:
    counts[order["status"]] = counts.get(order["status"], 0) + 1
{"returned": counts["returned"] > 0}
