# gives: [{"a": 1}]
import json
with open("/workspace/rows.json", "w") as file:
    json.dump([{"a": 1}], file)
with open("rows.json") as file:
    rows = json.load(file)
rows
