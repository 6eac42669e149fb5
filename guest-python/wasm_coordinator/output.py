"""`emit`: content blocks beside what is printed.

What kind of block it becomes is the host's to say, from the bytes.
"""

import os
from base64 import b64decode
from pathlib import PurePath

from componentize_py_types import Err
from wit_world.imports import output as host

from . import blocks, console
from .program import clean
from .values import result_to_json

# How objects of notebooks show themselves, the best first.
_SHOWN = (
    ("_repr_png_", "image/png"),
    ("_repr_jpeg_", "image/jpeg"),
    ("_repr_svg_", "image/svg+xml"),
    ("_repr_html_", "text/html"),
)

_ABSENT = object()


def emit(value=_ABSENT, mime=None, *, path=None, name=None):
    """Shows a content block to whoever asked for the run.

    `emit("text")`, `emit(png)`, `emit(data, mime="application/pdf")`,
    `emit(path="chart.svg")`, and `emit({...})` for JSON. Images and sounds are
    told by their bytes; a file by the ending of its name. A content block that
    a tool returned, or a list of them, is shown as what it is.
    """
    if isinstance(value, PurePath) and path is None:
        value, path = _ABSENT, value
    if (value is _ABSENT) == (path is None):
        raise TypeError("emit() takes either a value or `path=`")
    if path is not None:
        with open(path, "rb") as file:
            value = file.read()
        name = name or os.fsdecode(os.path.abspath(path))
    found = blocks.read(value)
    if found is not None:
        for value, its_mime, its_name in found:
            _show(value, mime or its_mime, name or its_name)
        return None
    if not isinstance(value, (str, bytes, bytearray, memoryview)):
        value, mime = _shown(value, mime)
    return _show(value, mime, name)


def _show(value, mime, name):
    """Shows a text or bytes."""
    if isinstance(value, str):
        value = clean(value)
        if mime is None and name is None:
            return _emit(host.Block_Text(value))
        value = value.encode()
    mime = mime and clean(mime)
    name = name and clean(name)
    return _emit(host.Block_Data(host.Data(bytes(value), mime, name)))


def _shown(value, mime):
    """A value as text or bytes, and its type."""
    for method, its_mime in _SHOWN:
        show = getattr(type(value), method, None)
        data = show(value) if show is not None else None
        if data is not None:
            # Notebooks take the bytes of images in Base64, too.
            if isinstance(data, str) and method in ("_repr_png_", "_repr_jpeg_"):
                data = b64decode(data)
            return data, its_mime
    if value is None:
        raise TypeError("there is nothing to emit: the value is None")
    text = result_to_json(value)
    if text is None:
        raise TypeError(
            "emit() takes a text, bytes, `path=`, or what JSON can express, "
            f"not `{type(value).__name__}`"
        )
    return text, mime


def _emit(block):
    # What was printed before comes before.
    console.flush()
    try:
        host.emit(block)
    except Err as error:
        raise ValueError(error.value) from None


emit.__module__ = "builtins"
