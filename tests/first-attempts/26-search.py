# gives: "time.get_current_time"
found = search_tools("current time in a timezone")
found["tools"][0]["name"] if isinstance(found, dict) else found[0]["name"]
