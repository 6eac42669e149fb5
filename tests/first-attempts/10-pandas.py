# fails: ModuleNotFoundError
# hint: tables fit into lists of dicts
import pandas as pd
from servers.demo import list_orders
df = pd.DataFrame((await list_orders())["orders"])
df.groupby("status").size()
