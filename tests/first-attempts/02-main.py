# prints: 10000 orders
import asyncio
from servers.demo import list_orders

async def main():
    table = await list_orders()
    print(len(table["orders"]), "orders")

asyncio.run(main())
