from servers.demo.get_order import get_order

found = await search_tools("one order", detail="detailed", limit=1)
print(found[0]["name"], found[0]["parameters"][0]["name"])
print((await get_order(id=1))["id"])
print(len(search_tools("zyxwv")))
search_tools("one order", limit=1)
