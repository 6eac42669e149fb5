"""The tools as modules: `servers.NAME` asynchronous, `mcp_tools.NAME` the same
and synchronous; `servers.NAME.TOOL` is the module of one tool.

A module is made when a program imports it, from what the host says about the
server; a function when it is first used. What a server wrote (names,
descriptions) is only ever data here: no source text is put together. Files are
never looked at: the importer is asked before any folder.
"""

import difflib
import inspect
import keyword
import sys
from importlib.machinery import ModuleSpec
from opcode import opmap
from types import ModuleType

from componentize_py_types import Err
from wit_world.imports import tools as host
from wit_world.imports.types import Language

from . import answer, discovery, errors
from .answer import ToolAnswer
from .calls import WHOLE
from .errors import from_call

ASYNCHRONOUS = "servers"
SYNCHRONOUS = "mcp_tools"
_PACKAGES = (ASYNCHRONOUS, SYNCHRONOUS)

# How many names a message lists: enough to see what is there.
_MAX_LISTED = 20

# The classes that programs name.
CLASSES = {each.__name__: each for each in (*errors.NAMES, ToolAnswer)}
_IMPORT_FROM = opmap["IMPORT_FROM"]


def _nearest(wanted, names):
    """`; did you mean ...?` with the three closest names, if any is close."""
    close = difflib.get_close_matches(wanted, names, 3, 0.5)
    if not close:
        return ""
    return "; did you mean " + ", ".join(f"`{name}`" for name in close) + "?"


def _listing(names):
    listed = ", ".join(f"`{name}`" for name in names[:_MAX_LISTED])
    more = len(names) - _MAX_LISTED
    return f"{listed} and {more} more" if more > 0 else listed


class Catalog:
    """What the host said about servers and tools, asked for once each."""

    def __init__(self):
        self._servers = None
        self._tools = {}
        self._elsewhere = {}

    def servers(self):
        if self._servers is None:
            self._servers = host.servers()
        return self._servers

    def server(self, identifier):
        """The server, or None."""
        for server in self.servers():
            if server.identifier == identifier or server.name == identifier:
                return server
        return None

    def tools(self, server):
        """The tools of a server, by their Python names."""
        found = self._tools.get(server.name)
        if found is None:
            listed = _describe(server, Language.PYTHON)
            found = self._tools[server.name] = {
                tool.identifier: tool for tool in listed
            }
        return found

    def tool(self, server, name):
        """The tool of this Python name, or None. The names it has elsewhere,
        with the server and in JavaScript, are understood where they are
        identifiers."""
        tools = self.tools(server)
        tool = tools.get(name)
        if tool is not None:
            return tool
        for tool in tools.values():
            if tool.name == name:
                return tool
        elsewhere = self._elsewhere.get(server.name)
        if elsewhere is None:
            by_name = {tool.name: tool for tool in tools.values()}
            elsewhere = self._elsewhere[server.name] = {
                other.identifier: by_name[other.name]
                for other in _describe(server, Language.JAVASCRIPT)
                if other.name in by_name
            }
        return elsewhere.get(name)


def _describe(server, language):
    try:
        return host.describe(server.name, language)
    except Err as error:
        raise from_call(error.value) from None


class Binder:
    """Turns the arguments of a Python call into the arguments object."""

    def __init__(self, name, parameters):
        self.name = name
        self.order = [parameter.name for parameter in parameters]
        self.raw = {p.identifier: p.name for p in parameters}
        self.known = {*self.order, *self.raw}
        self.renames = any(key != name for key, name in self.raw.items())

    def bind(self, args, kwargs):
        if self.renames:
            raw = self.raw
            arguments = {raw.get(key, key): value for key, value in kwargs.items()}
        else:
            arguments = kwargs
        return self.positional(args, arguments) if args else arguments

    def positional(self, args, arguments):
        first = args[0]
        if len(args) == 1 and isinstance(first, dict) and not arguments:
            # One dict in place of keywords, as the protocol has it. A dict
            # that has nothing to do with the parameters is the first one.
            if not first or not self.order or not self.known.isdisjoint(first):
                raw = self.raw
                return {
                    key if key in self.order else raw.get(key, key): value
                    for key, value in first.items()
                }
        if len(args) > len(self.order):
            takes = ", ".join(self.order) or "none"
            raise TypeError(
                f"{self.name}() takes {len(self.order)} arguments ({takes}), "
                f"{len(args)} were given"
            )
        bound = dict(zip(self.order, args, strict=False))
        twice = bound.keys() & arguments.keys()
        if twice:
            raise TypeError(
                f"{self.name}() got more than one value for `{twice.pop()}`"
            )
        return bound | arguments


def _document(function, module, tool, stub):
    """Gives a function the looks of the tool. `stub` is the file that
    describes it."""
    function.__name__ = function.__qualname__ = tool.identifier
    function.__module__ = module
    function.__stub__ = stub
    parts = [tool.description] if tool.description else []
    if tool.parameters:
        names = (
            p.identifier if p.required else f"{p.identifier} (optional)"
            for p in tool.parameters
        )
        parts.append("Parameters: " + ", ".join(names))
    parts.append(
        f"help({tool.identifier}) shows types and texts. "
        f"{tool.identifier}.full(...) gives the whole answer, with all content blocks."
    )
    function.__doc__ = "\n\n".join(parts)
    parameters = [
        inspect.Parameter(
            p.identifier,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=inspect.Parameter.empty if p.required else None,
        )
        for p in tool.parameters
        if p.identifier.isidentifier() and not keyword.iskeyword(p.identifier)
    ]
    try:
        function.__signature__ = inspect.Signature(parameters)
    except ValueError:
        # Two alike, or a required one after an optional one.
        pass
    return function


def _asynchronous(calls, name, bind):
    call = calls.call

    async def tool(*args, **kwargs):
        return await call(name, bind(args, kwargs))

    async def full(*args, **kwargs):
        """Calls the tool and gives its whole answer."""
        return answer.read(await call(name, bind(args, kwargs), WHOLE))

    tool.full = full
    return tool


def _synchronous(calls, name, bind):
    call = calls.call_sync

    def tool(*args, **kwargs):
        return call(name, bind(args, kwargs))

    def full(*args, **kwargs):
        """Calls the tool and gives its whole answer."""
        return answer.read(call(name, bind(args, kwargs), WHOLE))

    tool.full = full
    tool.__asynchronous__ = _asynchronous(calls, name, bind)
    full.__asynchronous__ = tool.__asynchronous__.full
    return tool


class ServerModule(ModuleType):
    """`servers.NAME` or `mcp_tools.NAME`."""

    def __getattr__(self, name):
        if name.startswith("__"):
            # The import system asks for some before the module is filled.
            raise AttributeError(name)
        tool = self.__find__(name)
        if tool is None:
            if name == "list_tools":
                return discovery.tool_lister(self.__name__, self.__tools__)
            raise _missing(*self.__absent__(name), self.__name__)
        # One function, whatever it is called.
        known = name != tool.identifier
        function = getattr(self, tool.identifier) if known else self.__make__(tool)
        setattr(self, name, function)
        return function

    def __setattr__(self, name, value):
        # The import system puts the module of a tool where its function is.
        if not isinstance(value, ToolModule):
            super().__setattr__(name, value)

    def __find__(self, name):
        """The tool of this name, or None."""
        return self.__catalog__.tool(self.__about__, name)

    def __absent__(self, name):
        """Two sentences for a tool that is not there."""
        tools = list(self.__tools__)
        return (
            f"the server `{self.__server__}` has no tool `{name}`"
            f"{_nearest(name, tools)}",
            f"its tools: {_listing(tools)}" if tools else "it has no tools",
        )

    def __dir__(self):
        return sorted(self.__tools__)


class ToolModule(ModuleType):
    """`servers.NAME.TOOL`: one tool, as the file of that name describes it."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        if name[:1].isupper():
            # The file has names for the types of arguments and results, which
            # are dicts.
            return dict
        if self.__find__(name) is self.__about__:
            # Under a name that it has elsewhere.
            return self.__dict__[self.__tool__]
        raise _missing(
            f"the module of the tool `{self.__tool__}` has no `{name}`",
            f"it has `{self.__tool__}`",
            self.__name__,
        )


class PackageModule(ModuleType):
    """`servers` or `mcp_tools`."""

    def __getattr__(self, name):
        if name.startswith("__"):
            if name == "__all__":
                return [server.identifier for server in self.__catalog__.servers()]
            raise AttributeError(name)
        if name in CLASSES:
            return CLASSES[name]
        # A server of the same name comes first: the operator named it.
        if name in self.__functions__ and self.__catalog__.server(name) is None:
            return self.__functions__[name]
        return importlib_import(f"{self.__name__}.{name}")

    def __dir__(self):
        return sorted({*self.__all__, *self.__functions__, *CLASSES})


def importlib_import(name):
    """Imports a module by its full name."""
    __import__(name)
    return sys.modules[name]


def _missing(what, listing, module):
    """The error for a name that is not there: `ImportError` for an import,
    `AttributeError` for everything else."""
    frame = sys._getframe(2)
    code = frame.f_code.co_code
    imported = frame.f_lasti >= 0 and code[frame.f_lasti] == _IMPORT_FROM
    message = f"{what} ({listing})"
    return ImportError(message, name=module) if imported else AttributeError(message)


class Finder:
    """The importer of both packages."""

    def __init__(self, calls):
        self.calls = calls
        # What each package has beside servers, set by `install`.
        self.functions = {}
        self.catalog = Catalog()

    def find_spec(self, name, path=None, target=None):
        package, _, rest = name.partition(".")
        if package not in _PACKAGES:
            return None
        server, _, tool = rest.partition(".")
        if not server:
            state = None
        elif not tool:
            if server in CLASSES or (
                server in self.functions[package]
                and self.catalog.server(server) is None
            ):
                return None
            state = self._find_server(package, server)
        elif "." not in tool and not tool.startswith("__"):
            state = self._find_tool(name, tool)
        else:
            return None
        spec = ModuleSpec(name, self, is_package=not tool)
        spec.loader_state = state
        return spec

    def _find_tool(self, name, tool):
        """The module of the server, and the tool."""
        server = sys.modules[name.rpartition(".")[0]]
        found = server.__find__(tool)
        if found is None:
            what, listing = server.__absent__(tool)
            raise ImportError(f"{what} ({listing})", name=name)
        return server, found

    def _find_server(self, package, identifier):
        server = self.catalog.server(identifier)
        if server is None:
            names = [server.identifier for server in self.catalog.servers()]
            listing = f"the servers: {_listing(names)}" if names else "there are none"
            raise ImportError(
                f"there is no server `{identifier}`{_nearest(identifier, names)} "
                f"({listing})",
                name=f"{package}.{identifier}",
            )
        return server

    def create_module(self, spec):
        kinds = PackageModule, ServerModule, ToolModule
        return kinds[spec.name.count(".")](spec.name)

    def exec_module(self, module):
        state = module.__spec__.loader_state
        if isinstance(module, PackageModule):
            self._fill_package(module)
        elif isinstance(module, ServerModule):
            self._fill_server(module, state)
        else:
            self._fill_tool(module, *state)

    def _fill_package(self, module):
        package = module.__name__
        module.__dict__.update(
            __catalog__=self.catalog,
            __functions__=self.functions[package],
            __doc__="The tools of MCP servers as "
            + ("asynchronous" if package == ASYNCHRONOUS else "synchronous")
            + f" functions: from {package}.SERVER import TOOL",
        )

    def _fill_tool(self, module, server, tool):
        function = getattr(server, tool.identifier)
        imported = module.__name__.rpartition(".")[2]
        for name in (tool.identifier, tool.name, imported):
            if not name.startswith("__"):
                module.__dict__[name] = function
                # `servers.NAME.TOOL` is the function, whether or not a module
                # of that name was imported; so it is its own member.
                setattr(function, name, function)
        module.__dict__.update(
            __tool__=tool.identifier,
            __about__=tool,
            __stub__=function.__stub__,
            __find__=server.__find__,
            __all__=[tool.identifier],
            __doc__=function.__doc__,
        )

    def _fill_server(self, module, server):
        name = module.__name__
        package = name.partition(".")[0]
        tools = self.catalog.tools(server)
        folder = f"{discovery.STUBS}/{server.identifier}"
        make = _asynchronous if package == ASYNCHRONOUS else _synchronous
        calls = self.calls

        def make_function(tool):
            binder = Binder(tool.identifier, tool.parameters)
            function = make(calls, f"{server.name}.{tool.name}", binder.bind)
            stub = f"{folder}/{tool.identifier}.py"
            return _document(function, name, tool, stub)

        module.__dict__.update(
            __server__=server.name,
            __about__=server,
            __catalog__=self.catalog,
            __tools__=tools,
            __make__=make_function,
            __stub__=f"{folder}/README.md",
            __all__=list(tools),
            __doc__=f"The tools of the MCP server {server.name}: "
            + _listing(list(tools)),
        )
