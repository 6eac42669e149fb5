"""Late imports, time zones, and what the author wrote last on the path."""

import os
import sys
import xml.dom.minidom
from datetime import datetime
from zoneinfo import ZoneInfo

print(xml.dom.minidom.parseString("<a><b/></a>").toxml())
print(datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin")).isoformat())
import decimal, email.message, sqlite3, statistics, tomllib, unittest  # noqa: E401

print(sqlite3.connect(":memory:").execute("select 6 * 7").fetchone())
# A module of the author may not take the place of one of the library.
with open("/workspace/colorsys.py", "w") as file:
    file.write("raise SystemExit('shadowed')")
with open("/workspace/mine.py", "w") as file:
    file.write("def fail():\n    return 1 / 0\n")
import colorsys  # noqa: E402
import mine  # noqa: E402

print(sys.path, os.listdir("/workspace"), dict(os.environ))
mine.fail()
