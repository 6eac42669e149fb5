"""Modules of the standard library can be loaded again, read, and imported from
archives; packages find the files of `tzdata`."""

import asyncio
import importlib.resources
import importlib.util
import inspect
import json
import pkgutil
import runpy
import sys
import zipfile

spec = importlib.util.find_spec("html.parser")
copy = importlib.util.module_from_spec(spec)
spec.loader.exec_module(copy)
import html.parser  # noqa: E402

copy.HTMLParser.CDATA_CONTENT_ELEMENTS = ()
print(copy is html.parser, bool(html.parser.HTMLParser.CDATA_CONTENT_ELEMENTS))
before = json
del sys.modules["json"]
import json  # noqa: E402

print(json is before)
print(inspect.getsource(json.dumps).splitlines()[0])
print(inspect.getsource(asyncio.sleep).splitlines()[0])
print(importlib.util.find_spec("os").loader.get_source("os") is not None)

zone = importlib.resources.files("tzdata") / "zoneinfo" / "Europe" / "Zurich"
print(zone.read_bytes()[:4], pkgutil.get_data("tzdata", "zoneinfo/UTC")[:4])
print("Europe/Zurich" in importlib.resources.read_text("tzdata", "zones").split())
with importlib.resources.open_binary("tzdata.zoneinfo.Europe", "Zurich") as file:
    print(file.read(4), importlib.resources.is_resource("tzdata.zoneinfo", "UTC"))

with zipfile.ZipFile("packed.whl", "w") as archive:
    archive.writestr("packed/__init__.py", "from .inner import VALUE\n")
    archive.writestr("packed/inner.py", "VALUE = 'from an archive'\n")
    archive.writestr("packed/broken.pyc", b"no code")
    archive.writestr("__main__.py", "import packed\nRESULT = packed.VALUE\n")
sys.path.insert(0, "packed.whl")
import packed  # noqa: E402

print(packed.VALUE, packed.__file__)
print(runpy.run_path("packed.whl")["RESULT"])
try:
    import packed.broken  # noqa: F401
except ModuleNotFoundError as error:
    print(error.name)
