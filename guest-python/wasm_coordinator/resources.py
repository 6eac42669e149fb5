"""Resources and prompts of servers, as functions.

They travel as calls with names that no tool has, `SERVER.resources/read` and
its like, so that everything that holds for calls holds for them.
"""

import functools
from base64 import b64decode


def list_resources(server, /):
    """The resources of a server: a list of dicts with `uri` and `name`."""
    return server, "resources/list", {}, _itself


def list_resource_templates(server, /):
    """The patterns of a server's resources: a list of dicts with
    `uriTemplate` and `name`."""
    return server, "resources/templates", {}, _itself


def read_resource(server, uri, /):
    """A resource: its text as `str`, anything else as `bytes`. If there is
    more than one part, a list of dicts, each with `text` or `blob`."""
    return server, "resources/read", {"uri": str(uri)}, _contents


def list_prompts(server, /):
    """The prompts of a server: a list of dicts with `name`."""
    return server, "prompts/list", {}, _itself


def get_prompt(server, name, arguments=None, /, **keywords):
    """A prompt: a dict with its `messages`."""
    arguments = {**(arguments or {}), **keywords}
    return server, "prompts/get", {"name": name, "arguments": arguments}, _itself


_REQUESTS = (
    list_resources,
    list_resource_templates,
    read_resource,
    list_prompts,
    get_prompt,
)


def functions(calls):
    """The functions by name, first asynchronous, then synchronous."""
    asynchronous = {}
    synchronous = {}
    for request in _REQUESTS:
        name = request.__name__
        asynchronous[name] = _asynchronous(calls, request)
        synchronous[name] = _synchronous(calls, request)
        synchronous[name].__asynchronous__ = asynchronous[name]
        for function in (asynchronous[name], synchronous[name]):
            function.__module__ = "builtins"
    return asynchronous, synchronous


def _asynchronous(calls, request):
    @functools.wraps(request)
    async def function(*args, **keywords):
        server, method, arguments, read = request(*args, **keywords)
        return read(await calls.call(f"{_name(server)}.{method}", arguments))

    return function


def _synchronous(calls, request):
    @functools.wraps(request)
    def function(*args, **keywords):
        server, method, arguments, read = request(*args, **keywords)
        return read(calls.call_sync(f"{_name(server)}.{method}", arguments))

    return function


def _name(server):
    """The name of a server, or of the module of one."""
    name = getattr(server, "__server__", server)
    if not isinstance(name, str):
        raise TypeError(
            f"the server must be given by its name, not as `{type(server).__name__}`"
        )
    return name


def _itself(result):
    return result


def _contents(result):
    """The host gives one text as it is, and anything else as an object or a
    list of them."""
    if isinstance(result, dict) and "blob" in result:
        return b64decode(result["blob"])
    if isinstance(result, list):
        return [
            part | {"blob": b64decode(part["blob"])} if "blob" in part else part
            for part in result
        ]
    return result
