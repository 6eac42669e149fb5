# gives: "UTC"
time = await call_tool("time.get_current_time", {"timezone": "UTC"})
time["timezone"]
