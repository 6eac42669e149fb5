"""Values of programs as JSON text, and JSON text as values.

There is one rule for what JSON has no word for, whether it is an argument or a
result: a dataclass is an object, a date is its ISO text, a `Decimal` is a number
with these digits, a set is a list. What then is left (`nan`, bytes, objects) is
refused as an argument, because a tool would get something else than was meant;
in a result, which people and models read, it is shown as `repr` shows it, in
its place.

Plain data, which is nearly all there is, takes the short way through C. Only
what does not get through there is walked through here.
"""

import codecs
import dataclasses
import datetime
import decimal
import enum
import math
import pathlib
import uuid
from json import JSONDecoder
from json.encoder import c_make_encoder, encode_basestring
from json.scanner import c_make_scanner

# What one element of a result is cut to, if it is shown as `repr` shows it.
_MAX_SHOWN = 10_000

# Steps of a path that a message shows.
_MAX_PATH = 6

# Whole numbers up to this size are always written.
_PLAIN_BITS = 2_000

_join = "".join


class _Digits(str):
    """A number as JSON writes it, on its way through the encoder."""


class _NotPlain(Exception):
    """There is more than plain data."""


def _not_plain(value):
    raise _NotPlain


def _literal(text):
    return str(text) if type(text) is _Digits else encode_basestring(text)


_encode = c_make_encoder(
    None, _not_plain, encode_basestring, None, ":", ",", False, False, False
)
_encode_digits = c_make_encoder(
    None, _not_plain, _literal, None, ":", ",", False, False, False
)


def to_json(value):
    """A value as JSON text, for a tool.

    Raises `TypeError` or `ValueError` for what JSON has no word for, with the
    place where it is.
    """
    try:
        text = _join(_encode(value, 0))
    except (_NotPlain, TypeError, ValueError):
        text = None
    if text is None:
        text = _join(_encode_digits(_Walk(_refuse).value(value), 0))
    if not text.isascii():
        # The contract's strings are Unicode; lone surrogates are not.
        text.encode()
    return text


def result_to_json(value):
    """The result of a program as JSON text, or None if only `repr` has a word
    for it."""
    try:
        text = _join(_encode(value, 0))
    except RecursionError:
        return None
    except (_NotPlain, TypeError, ValueError):
        text = None
    if text is None:
        walk = _Walk(_show)
        try:
            walked = walk.value(value)
            if walk.shown_at_top:
                return None
            text = _join(_encode_digits(walked, 0))
        except Exception:
            # A cycle, or code of the program that raises.
            return None
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode(errors="wasm_coordinator_escape").decode()
    return text


def _escape(error):
    """A lone surrogate, as it is written in Python."""
    lone = error.object[error.start : error.end]
    return _join(f"\\\\u{ord(letter):04x}" for letter in lone), error.end


codecs.register_error("wasm_coordinator_escape", _escape)


class _Walk:
    """Turns a value into what the encoder takes. `left_over` says what
    becomes of what JSON has no word for."""

    def __init__(self, left_over):
        self.left_over = left_over
        self.path = []
        self.shown_at_top = False

    def value(self, value):
        kind = type(value)
        if kind is str or kind is bool or value is None:
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else self._left_over(value)
        if isinstance(value, enum.Enum) and not isinstance(value, (str, int)):
            return self.value(value.value)
        if isinstance(value, int):
            return _digits(value)
        if isinstance(value, str):
            return value
        if isinstance(value, dict):
            return self._object(value.items())
        if isinstance(value, (list, tuple)):
            return self._array(value)
        return self._other(value)

    def _other(self, value):
        if isinstance(value, decimal.Decimal):
            return _Digits(value) if value.is_finite() else self._left_over(value)
        if isinstance(value, type):
            return self._left_over(value)
        if dataclasses.is_dataclass(value):
            names = [field.name for field in dataclasses.fields(value)]
            return self._object((name, getattr(value, name)) for name in names)
        text = _text_of(value)
        if text is not None:
            return text
        if isinstance(value, (set, frozenset)):
            return self._array(_in_order(value))
        if hasattr(value, "keys") and hasattr(value, "__getitem__"):
            return self._object((key, value[key]) for key in value.keys())
        return self._left_over(value)

    def _array(self, items):
        walked = []
        self.path.append(0)
        for number, item in enumerate(items):
            self.path[-1] = number
            walked.append(self.value(item))
        self.path.pop()
        return walked

    def _object(self, items):
        walked = {}
        self.path.append("")
        for key, item in items:
            self.path[-1] = key
            walked[self._key(key)] = self.value(item)
        self.path.pop()
        return walked

    def _key(self, key):
        """The key of an object: texts as they are, numbers as the encoder
        writes them."""
        if key is None or isinstance(key, (str, bool)):
            return key
        if isinstance(key, enum.Enum) and not isinstance(key, int):
            return self._key(key.value)
        if isinstance(key, int) or isinstance(key, float) and math.isfinite(key):
            return key
        if isinstance(key, decimal.Decimal) and key.is_finite():
            return str(key)
        text = _text_of(key)
        return self._left_over(key) if text is None else text

    def _left_over(self, value):
        self.shown_at_top = not self.path
        return self.left_over(value, self.path)


def _digits(number):
    """A whole number, or its digits where Python refuses to write so many."""
    if number.bit_length() <= _PLAIN_BITS:
        return number
    return _Digits(decimal.Decimal(int(number)))


def _text_of(value):
    """The text that a date, an id or a path is everywhere, or None."""
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (uuid.UUID, pathlib.PurePath)):
        return str(value)
    return None


def _in_order(members):
    """A set as a list that is the same each time, where that can be had."""
    try:
        return sorted(members)
    except TypeError:
        return list(members)


def _refuse(value, path):
    where = _place(path)
    if hasattr(value, "__await__"):
        raise TypeError(
            f"{where} is a {type(value).__name__}, not a value yet: `await` it first"
        )
    if isinstance(value, (float, decimal.Decimal)):
        raise ValueError(
            f"{where} is {value}, and JSON has no word for that: "
            "send `None`, a text or another number"
        )
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(
            f"{where} is of type `{type(value).__name__}`, which JSON has no word for: "
            "send a text, for example `base64.b64encode(data).decode()`"
        )
    raise TypeError(
        f"{where} is of type `{type(value).__name__}`, which JSON has no word for"
    )


def _place(path):
    """`` `rows[3].total` ``."""
    steps = path[:_MAX_PATH]
    text = ""
    for step in steps:
        if isinstance(step, int) and not isinstance(step, bool):
            text += f"[{step}]"
        else:
            text += f".{step!s:.60}" if text else f"{step!s:.60}"
    more = "..." if len(path) > _MAX_PATH else ""
    return f"`{text}{more}`" if text else "the value"


def _show(value, _path):
    return shown(value, _MAX_SHOWN)


def shown(value, most):
    """A value as `repr` shows it, cut to so many characters."""
    try:
        text = repr(value)
    except Exception as error:
        text = f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
    if len(text) > most:
        text = f"{text[:most]}... ({len(text) - most} more characters)"
    return text


_scan = c_make_scanner(JSONDecoder())
# Python refuses to make a number of very many digits from text, but not from a
# `Decimal`. Slow, and asked only where the quick way failed.
_scan_long = c_make_scanner(
    JSONDecoder(parse_int=lambda digits: int(decimal.Decimal(digits)))
)


def from_json(text):
    """The value of JSON text. Numbers are exact, `NaN` is read as `nan`."""
    try:
        value, _ = _scan(text, 0)
    except ValueError:
        value, _ = _scan_long(text, 0)
    return value
