"""The whole answer of a tool call."""

import dataclasses
from typing import Any

_MAX_SHOWN = 200


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class ToolAnswer:
    """All that a tool answered.

    `value` is what a plain call gives. `content` has every content block, as
    the dicts that the protocol has; `structured_content` and `meta` are what
    the server sent under these names, or None.
    """

    value: Any
    content: list
    structured_content: Any = None
    meta: dict | None = None

    def __repr__(self):
        parts = [f"value={_shown(self.value)}", f"content={_shown(self.content)}"]
        if self.structured_content is not None:
            parts.append(f"structured_content={_shown(self.structured_content)}")
        if self.meta is not None:
            parts.append(f"meta={_shown(self.meta)}")
        return f"ToolAnswer({', '.join(parts)})"


# As tracebacks and `help` name it: it needs no import.
ToolAnswer.__module__ = "builtins"


def read(whole):
    """The answer in the contract's words."""
    return ToolAnswer(
        whole.get("value"),
        whole.get("content") or [],
        whole.get("structuredContent"),
        whole.get("_meta"),
    )


def _shown(value):
    text = repr(value)
    if len(text) <= _MAX_SHOWN:
        return text
    return f"{text[:_MAX_SHOWN]}... ({len(text) - _MAX_SHOWN} more characters)"
