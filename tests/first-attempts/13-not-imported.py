# fails: NameError
# hint: from servers.time import get_current_time
await get_current_time(timezone="UTC")
