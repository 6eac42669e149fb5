"""`search_tools`: finding tools by what they do.

The host searches; here is only what a program holds of it. A search is answered
at once, so its result is a list already; it may be awaited all the same,
because everything else about tools is.
"""

from json import JSONDecoder

from componentize_py_types import Err
from wit_world.imports import tools as host

from .errors import from_call
from .program import clean

_DETAILS = {
    "brief": host.Detail.BRIEF,
    "detailed": host.Detail.DETAILED,
    "full": host.Detail.FULL,
}

# Tools in one answer, at most. The host has the same limit.
_MAX_TOOLS = 1_000

_decode = JSONDecoder().decode


class Found(list):
    """The tools that a search found, the best first, as dicts.

    `total` says how many there are, `message` what there is to say about the
    search, for example why nothing was found.
    """

    def __init__(self, tools, total, message):
        super().__init__(tools)
        self.total = total
        self.message = message

    def __repr__(self):
        if self or not self.message:
            return super().__repr__()
        return f"[] ({self.message})"

    __str__ = __repr__


class Answer(Found):
    """The same, which may be awaited."""

    # `asyncio.gather` keeps what it is given in a dict.
    __hash__ = object.__hash__

    def __await__(self):
        return Found(self, self.total, self.message)
        yield


def searcher(warn):
    """The function of programs. `warn` takes a sentence for their author."""

    def search_tools(query="", detail="brief", server=None, limit=10):
        """Finds tools by what they do: the best first, as a list of dicts.

        An empty query lists. `detail` is "brief" (name, description),
        "detailed" (also how to import it, and its parameters) or "full" (also
        its JSON schemas). `server` is the only server to look at.
        """
        if not isinstance(query, str):
            raise TypeError(
                f"`query` must be a text, not `{type(query).__name__}`; "
                "an empty one lists all tools"
            )
        detail = "brief" if detail is None else detail
        if not isinstance(detail, str) or detail not in _DETAILS:
            choices = ", ".join(f'"{name}"' for name in _DETAILS)
            error = ValueError if isinstance(detail, str) else TypeError
            raise error(f"`detail` must be one of {choices}, not {detail!r:.100}")
        if not isinstance(server, str | None):
            server = getattr(server, "__server__", server)
            if not isinstance(server, str):
                raise TypeError(
                    "`server` must be the name of one server, or None for all, "
                    f"not `{type(server).__name__}`"
                )
        if not isinstance(limit, int) or isinstance(limit, bool):
            raise TypeError(
                f"`limit` must be a whole number from 1 to {_MAX_TOOLS}, "
                f"not `{type(limit).__name__}`"
            )
        if not 1 <= limit <= _MAX_TOOLS:
            raise ValueError(
                f"`limit` must be a whole number from 1 to {_MAX_TOOLS}, not {limit}"
            )
        server = server and clean(server)
        try:
            text = host.search(clean(query), _DETAILS[detail], server, limit)
        except Err as error:
            raise from_call(error.value) from None
        found = _decode(text)
        message = found.get("message")
        if message:
            warn(f"search_tools({query[:100]!r}): {message}")
        return Answer(found["tools"], found["total"], message)

    search_tools.__module__ = "builtins"
    search_tools.__qualname__ = search_tools.__name__
    return search_tools
