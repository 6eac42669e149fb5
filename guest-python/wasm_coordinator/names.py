"""The names that programs use without an import, and what the packages
`servers` and `mcp_tools` have beside servers."""

import sys

from . import answer, discovery
from .calls import WHOLE
from .output import emit
from .resources import functions as resource_functions
from .search import searcher
from .servers import ASYNCHRONOUS, CLASSES, SYNCHRONOUS, Finder, importlib_import


class Tools:
    """`tools.SERVER.TOOL(...)`, without an import."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return importlib_import(f"{ASYNCHRONOUS}.{name}")

    def __dir__(self):
        return dir(importlib_import(ASYNCHRONOUS))

    def __repr__(self):
        return "<the tools of this session: tools.SERVER.TOOL(...)>"


def install(calls, builtins, warn):
    """Puts the importer first, and the functions that need no import into
    the built-in names. `warn` takes a sentence for the author of a program.
    Returns what is known of the servers."""

    def named(tool, arguments, more, keywords):
        if isinstance(arguments, str):
            # call_tool("server", "tool", {...})
            tool, arguments = f"{tool}.{arguments}", more
        if arguments is None:
            return tool, keywords
        if not isinstance(arguments, dict):
            raise TypeError(
                f"the arguments of `{tool}` must be a dict, "
                f"not `{type(arguments).__name__}`"
            )
        return tool, arguments | keywords if keywords else arguments

    async def call_tool(tool, arguments=None, more=None, /, **keywords):
        """Calls a tool by its name, `server.tool`."""
        return await calls.call(*named(tool, arguments, more, keywords))

    def call_tool_sync(tool, arguments=None, more=None, /, **keywords):
        """Calls a tool by its name, `server.tool`, and waits for it."""
        return calls.call_sync(*named(tool, arguments, more, keywords))

    async def call_tool_full(tool, arguments=None, more=None, /, **keywords):
        """Calls a tool by its name and gives its whole answer: `value`,
        `content`, `structured_content` and `meta`."""
        name, arguments = named(tool, arguments, more, keywords)
        return answer.read(await calls.call(name, arguments, WHOLE))

    def call_tool_full_sync(tool, arguments=None, more=None, /, **keywords):
        """The same, and waits for it."""
        name, arguments = named(tool, arguments, more, keywords)
        return answer.read(calls.call_sync(name, arguments, WHOLE))

    call_tool_sync.__asynchronous__ = call_tool
    call_tool_full_sync.__asynchronous__ = call_tool_full
    for function in (call_tool, call_tool_sync, call_tool_full, call_tool_full_sync):
        function.__module__ = "builtins"
        function.__qualname__ = function.__name__
        setattr(builtins, function.__name__, function)
    builtins.callMCPTool = call_tool
    builtins.list_directory = discovery.list_directory
    builtins.read_file = discovery.read_file
    builtins.help = discovery.Help()
    builtins.tools = Tools()
    builtins.search_tools = searcher(warn)
    builtins.emit = emit
    for name, error in CLASSES.items():
        setattr(builtins, name, error)
    asynchronous, synchronous = resource_functions(calls)
    for name, function in asynchronous.items():
        setattr(builtins, name, function)
    finder = Finder(calls)
    both = {
        "search_tools": builtins.search_tools,
        "list_servers": discovery.server_lister(finder.catalog),
        "tools": builtins.tools,
        "emit": emit,
    }
    # What both packages have beside servers.
    finder.functions = {
        ASYNCHRONOUS: both
        | {"call_tool": call_tool, "call_tool_full": call_tool_full}
        | asynchronous,
        SYNCHRONOUS: both
        | {"call_tool": call_tool_sync, "call_tool_full": call_tool_full_sync}
        | synchronous,
    }
    sys.meta_path.insert(0, finder)
    return finder.catalog
