"""Content blocks as tools return them: dicts of the protocol, which `emit`
passes on as what they are.

A dict of a program that only looks a little like one is data. So a block needs
all that the protocol demands of its type.
"""

from base64 import b64decode
from binascii import Error

from .answer import ToolAnswer

_SCHEME = "://"


def read(value):
    """The blocks that a value is: a list of (text or bytes, MIME type, name),
    or None if it is something else."""
    if isinstance(value, ToolAnswer):
        value = value.content
    if isinstance(value, dict):
        block = _block(value)
        return None if block is None else [block]
    if isinstance(value, list) and value:
        blocks = []
        for each in value:
            block = _block(each) if isinstance(each, dict) else None
            if block is None:
                return None
            blocks.append(block)
        return blocks
    return None


def _block(value):
    kind = value.get("type")
    if kind == "text" and isinstance(value.get("text"), str):
        return value["text"], None, None
    if kind in ("image", "audio"):
        data, mime = value.get("data"), value.get("mimeType")
        if isinstance(data, str) and isinstance(mime, str):
            return _bytes(data, kind), mime, None
    if kind == "resource" and isinstance(value.get("resource"), dict):
        return _resource(value["resource"])
    if kind is None:
        # A part of a resource, as `read_resource` gives several.
        return _resource(value)
    return None


def _resource(value):
    uri, mime = value.get("uri"), value.get("mimeType")
    if not isinstance(uri, str) or not isinstance(mime, str | None):
        return None
    scheme, _, name = uri.rpartition(_SCHEME)
    name = name.strip("/") or scheme or None
    text, blob = value.get("text"), value.get("blob")
    if isinstance(text, str):
        # Of a text that has no type nothing else is known.
        return text, mime or "text/plain", name
    if isinstance(blob, bytes):
        return blob, mime, name
    if isinstance(blob, str):
        return _bytes(blob, "resource"), mime, name
    return None


def _bytes(text, kind):
    try:
        return b64decode(text, validate=True)
    except (Error, ValueError) as error:
        raise ValueError(
            f"the data of this {kind} block is no Base64: {error}"
        ) from None
