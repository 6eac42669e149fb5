# fails: URLError
# hint: no network
from urllib.request import urlopen
urlopen("https://example.com").read()
