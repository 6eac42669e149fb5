"""Looking around: which servers and tools there are, and what files say about
them. Programs begin with it, in the words that articles about tools as code
use.

All of this is known at once, so nothing has to be awaited; but everything else
about tools is awaited, and so these answers may be.
"""

import os
import sys

# Where the files are that describe tools.
STUBS = "/servers"


class Listing(list):
    """A list, which may be awaited."""

    # `asyncio.gather` keeps what it is given in a dict.
    __hash__ = object.__hash__

    def __await__(self):
        return list(self)
        yield


class Content(str):
    """The text of a file, which may be awaited."""

    __slots__ = ()

    def __await__(self):
        return str(self)
        yield


def list_directory(path=".", /):
    """The names in a folder, sorted: `list_directory("servers/")`."""
    return Listing(sorted(os.listdir(path)))


def read_file(path, /, encoding="utf-8"):
    """The text of a file: `read_file("servers/demo/get_order.py")`."""
    with open(path, encoding=encoding) as file:
        return Content(file.read())


def server_lister(catalog):
    """The function `list_servers` of both packages."""

    def list_servers():
        """The names of the servers, as they are imported."""
        return Listing(server.identifier for server in catalog.servers())

    list_servers.__module__ = "builtins"
    list_servers.__qualname__ = "list_servers"
    return list_servers


def tool_lister(module, tools):
    """The function `list_tools` of the module of a server."""

    def list_tools():
        """The tools of the server: a list of dicts with `name`, `description`,
        `parameters`, and `python`, the line that imports it."""
        return Listing(
            {
                "name": tool.name,
                "description": tool.description,
                "python": f"from {module} import {tool.identifier}",
                "parameters": [
                    {"name": parameter.identifier, "required": parameter.required}
                    for parameter in tool.parameters
                ],
            }
            for tool in tools.values()
        )

    list_tools.__module__ = module
    list_tools.__qualname__ = "list_tools"
    return list_tools


class Help:
    """`help`, which shows for a tool, and for the module of a server, the file
    that describes it: types, texts and all."""

    __module__ = "builtins"

    def __call__(self, *about):
        if not about:
            print("help(TOOL), help(MODULE): there is nobody to ask for more")
            return
        (about,) = about
        file = getattr(about, "__stub__", None)
        if isinstance(file, str) and file.startswith(f"{STUBS}/"):
            try:
                with open(file) as opened:
                    print(opened.read())
                return
            except OSError:
                # A host without these files: there is the function's own text.
                pass
        import pydoc

        pydoc.Helper(output=sys.stdout)(about)

    def __repr__(self):
        return "help(TOOL) or help(MODULE) shows how it is used"


for _each in (list_directory, read_file):
    _each.__module__ = "builtins"
