# Fetches 10,000 orders from the demo server, filters them inside the sandbox,
# and prints three lines. Only these lines would reach a model.
import asyncio
from collections import Counter

from servers.demo import list_orders, now

time, table = await asyncio.gather(now(), list_orders())

returned = [order for order in table["orders"] if order["status"] == "returned"]
items = sum(order["items"] for order in returned)
countries = Counter(order["country"] for order in returned).most_common(3)
most = ", ".join(f"{country} ({count})" for country, count in countries)

print(f"At {time['utc']} the demo server listed {len(table['orders']):,} orders.")
print(f"{len(returned):,} of them were returned, {items:,} items in all.")
print(f"Most came back from {most}.")
