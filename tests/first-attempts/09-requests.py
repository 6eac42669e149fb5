# fails: ModuleNotFoundError
# hint: no network
import requests
requests.get("https://example.com/api").json()
