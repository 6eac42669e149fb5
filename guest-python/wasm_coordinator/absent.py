"""What cannot work in the sandbox: one message each that says what to do."""

import sys
from types import ModuleType

_TOOLS = "call a tool of an MCP server for it: `from servers.NAME import TOOL`"
_TABLES = (
    "tables fit into lists of dicts; `csv`, `json`, `statistics`, `collections` "
    "and `sqlite3` (in memory, with SQL) are here"
)
_CHARTS = (
    "print the numbers, or make an SVG as text and show it: "
    '`emit(svg, mime="image/svg+xml")`'
)
_NETWORK = f"the sandbox has no network; {_TOOLS}"
_FILES = "read and write files below /workspace, or " + _TOOLS
_GATHER = "run coroutines at the same time with `asyncio.gather` or `asyncio.TaskGroup`"

_NOBODY = "`input()` has nobody to ask: pass values as arguments and read `sys.argv`"

_ADVICE = {
    "pandas": _TABLES,
    "polars": _TABLES,
    "pyarrow": _TABLES,
    "numpy": "use lists with `math`, `statistics`, `itertools`, `fractions`, `array`",
    "scipy": "use `math` and `statistics`",
    "sklearn": "use `statistics`, which has linear regression and correlation",
    "matplotlib": _CHARTS,
    "seaborn": _CHARTS,
    "plotly": _CHARTS,
    "requests": _NETWORK,
    "httpx": _NETWORK,
    "aiohttp": _NETWORK,
    "urllib3": _NETWORK,
    "websockets": _NETWORK,
    "boto3": _NETWORK,
    "openai": _NETWORK,
    "anthropic": _NETWORK,
    "mcp": _TOOLS,
    "fastmcp": _TOOLS,
    "bs4": "use `html.parser` or `re`",
    "lxml": "use `xml.etree.ElementTree` or `html.parser`",
    "yaml": "use `json` or `tomllib`",
    "toml": "use `tomllib`",
    "simplejson": "use `json`",
    "orjson": "use `json`",
    "ujson": "use `json`",
    "dateutil": "use `datetime`; `datetime.fromisoformat` reads ISO dates",
    "pytz": "use `zoneinfo`",
    "pydantic": "use `dataclasses`",
    "attr": "use `dataclasses`",
    "attrs": "use `dataclasses`",
    "tqdm": "use `print`",
    "rich": "use `print`",
    "tabulate": "use `print` with f-strings and `str.ljust`",
    "dotenv": "there is no environment to load; secrets stay with the host",
    "PIL": _FILES,
    "cv2": _FILES,
    "openpyxl": "read CSV with `csv`",
    "psycopg2": _TOOLS,
    "pymysql": _TOOLS,
    "sqlalchemy": "use `sqlite3`",
    "trio": "use `asyncio`",
    "anyio": "use `asyncio`",
    "uvloop": "the event loop of `asyncio` is here already",
    "pytest": "use `assert` or `unittest`",
    "tkinter": "the sandbox has no display; use `print`",
    "turtle": "the sandbox has no display; use `print`",
    "curses": "the sandbox has no terminal; use `print`",
    "webbrowser": "the sandbox has no display; use `print`",
    "_ctypes": "there are no native libraries; use pure Python",
    "_multiprocessing": f"the sandbox has no processes; {_GATHER}",
    "_posixsubprocess": f"the sandbox has no processes; {_TOOLS}",
    "pip": "packages cannot be installed; the standard library is here",
    "setuptools": "packages cannot be installed; the standard library is here",
    "ensurepip": "packages cannot be installed; the standard library is here",
    "venv": "packages cannot be installed; the standard library is here",
    "fcntl": "files of the sandbox need no locks: nobody else has them",
    "resource": "limits are set by the host: see its flags",
    "pwd": "the sandbox has no users",
    "grp": "the sandbox has no users",
    "termios": "the sandbox has no terminal",
    "readline": "the sandbox has no terminal",
    "pty": "the sandbox has no terminal",
    "tty": "the sandbox has no terminal",
    "mmap": "read the file with `open`",
}


class Finder:
    """Asked last: explains why a module is not there."""

    # The servers there are, set by `install`.
    catalog = None

    @staticmethod
    def find_spec(name, path=None, target=None):
        if sys._getframe(2).f_code.co_name != "_find_and_load_unlocked":
            # Somebody asks whether it is there, which is not an error.
            return None
        advice = _ADVICE.get(name.partition(".")[0])
        if advice is not None and (path is None or name in _ADVICE):
            raise ModuleNotFoundError(
                f"`{name}` is not available in the sandbox: {advice}", name=name
            )
        if path is None and not name.startswith("_"):
            _unknown(name)
        return None


def _unknown(name):
    server = Finder.catalog.server(name)
    if server is not None:
        raise ModuleNotFoundError(
            f"No module named {name!r}: tools are imported with "
            f"`from servers.{server.identifier} import TOOL`",
            name=name,
        )
    raise ModuleNotFoundError(
        f"No module named {name!r}: the sandbox has the standard library, the tools "
        "(`servers`, `mcp_tools`) and modules below /workspace; packages cannot be "
        "installed",
        name=name,
    )


def _refusal(error, message):
    def refuse(*_args, **_keywords):
        raise error(message)

    return refuse


def _asking(ask):
    """`input` on what the program has as its standard input; at the end of that,
    which mostly is at once, it says what to do instead."""

    def input(prompt="", /):
        try:
            return ask(prompt)
        except EOFError:
            raise EOFError(_NOBODY) from None

    input.__module__ = "builtins"
    input.__qualname__ = "input"
    return input


def install(builtins, catalog):
    """Replaces what would fail obsadvicely by what says what to do instead."""
    import multiprocessing.process
    import os
    import socket
    import subprocess
    import threading
    from asyncio import base_events

    Finder.catalog = catalog
    sys.meta_path.append(Finder)

    threads = f"the sandbox has no threads: {_GATHER}"
    threading.Thread.start = _refusal(RuntimeError, threads)
    processes = f"the sandbox has no processes: {_GATHER}, or {_TOOLS}"
    programs = f"the sandbox has no processes: {_TOOLS}"
    subprocess.Popen.__init__ = _refusal(OSError, programs)
    subprocess.Popen.__del__ = lambda self: None
    for name in ("system", "popen", "fork", "execv", "execvp", "spawnv", "posix_spawn"):
        setattr(os, name, _refusal(OSError, programs))
    # What `multiprocessing` asks for first.
    os.pipe = _refusal(OSError, processes)
    multiprocessing.process.BaseProcess.start = os.pipe
    base_events.BaseEventLoop.subprocess_exec = _refusal(OSError, programs)
    base_events.BaseEventLoop.subprocess_shell = _refusal(OSError, programs)
    network = _refusal(PermissionError, _NETWORK)
    socket.socket.__init__ = network
    # `__del__` and `__repr__` of a socket that never was.
    socket.socket.__repr__ = object.__repr__
    for name in (
        "getaddrinfo",
        "gethostbyname",
        "gethostbyname_ex",
        "gethostbyaddr",
        "create_connection",
        "create_server",
        "socketpair",
    ):
        setattr(socket, name, network)
    builtins.input = _asking(builtins.input)
    # Programs from notebooks apply it; the loop is re-entrant as it is.
    nest_asyncio = ModuleType("nest_asyncio", "Nothing to do: the loop is re-entrant.")
    nest_asyncio.apply = lambda loop=None: None
    sys.modules["nest_asyncio"] = nest_asyncio
