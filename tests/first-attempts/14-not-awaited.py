# fails: TypeError
# hint: await
from servers.demo import list_orders
table = list_orders()
len(table["orders"])
