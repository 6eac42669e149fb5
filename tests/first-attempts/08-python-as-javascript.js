// fails: SyntaxError
// hint: pass `language`: "python"
from servers.demo import list_orders
table = await list_orders()
print(len(table["orders"]))
