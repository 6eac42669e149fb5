"""`_lzma` on the xz of `_streams`."""

import struct
from operator import index

from wasm_coordinator import _streams
from wasm_coordinator.steps import Compressor, Decompressor, Steps

FORMAT_AUTO, FORMAT_XZ, FORMAT_ALONE, FORMAT_RAW = range(4)

CHECK_NONE, CHECK_CRC32, CHECK_CRC64, CHECK_SHA256 = 0, 1, 4, 10
CHECK_ID_MAX, CHECK_UNKNOWN = 15, 16

FILTER_LZMA1, FILTER_LZMA2 = 0x4000_0000_0000_0001, 0x21
FILTER_DELTA, FILTER_X86, FILTER_POWERPC, FILTER_IA64 = 0x03, 0x04, 0x05, 0x06
FILTER_ARM, FILTER_ARMTHUMB, FILTER_SPARC = 0x07, 0x08, 0x09

MF_HC3, MF_HC4, MF_BT2, MF_BT3, MF_BT4 = 0x03, 0x04, 0x12, 0x13, 0x14
MODE_FAST, MODE_NORMAL = 1, 2
PRESET_DEFAULT, PRESET_EXTREME = 6, 0x8000_0000

_MAX_FILTERS = 4
_DEFAULT = -1
_NUMBERS = "dict_size", "lc", "lp", "pb", "mode", "nice_len", "mf", "depth"
_BCJ = {
    FILTER_X86,
    FILTER_POWERPC,
    FILTER_IA64,
    FILTER_ARM,
    FILTER_ARMTHUMB,
    FILTER_SPARC,
}

# The code of lzma.h for the end of a stream.
_END = 1


class LZMAError(Exception):
    """The data or the options do not fit."""

    __module__ = "lzma"


_MESSAGES = {
    6: "Memory usage limit exceeded",
    7: "Input format not supported by decoder",
    8: "Invalid or unsupported options",
    9: "Corrupt input data",
    10: "Insufficient buffer space",
    11: "Internal error",
}


def _failure(code):
    if code == 5:
        return MemoryError()
    # Nothing to be done with what there is.
    if code == 10:
        return None
    if code == 3:
        return LZMAError("Unsupported integrity check")
    return LZMAError(_MESSAGES.get(code, f"Unrecognized error from liblzma: {code}"))


def _preset(given):
    if given is None:
        return PRESET_DEFAULT
    preset = index(given)
    if not 0 <= preset < 1 << 32:
        raise OverflowError("the preset does not fit into 32 bits")
    return preset


def _packed(filters):
    """A chain of filters, as the native module reads it."""
    if filters is None:
        return b""
    filters = list(filters)
    if len(filters) > _MAX_FILTERS:
        raise ValueError(
            f"Too many filters - liblzma supports a maximum of {_MAX_FILTERS}"
        )
    return b"".join(_packed_filter(each) for each in filters)


def _packed_filter(given):
    if not isinstance(given, dict):
        raise TypeError("Filter specifier must be a dict or dict-like object")
    if "id" not in given:
        raise ValueError('Filter specifier must have an "id" entry')
    kind = given["id"]
    if kind in (FILTER_LZMA1, FILTER_LZMA2):
        known = {"id", "preset", *_NUMBERS}
        numbers = [given.get(name, _DEFAULT) for name in _NUMBERS]
    elif kind == FILTER_DELTA:
        known = {"id", "dist"}
        numbers = [given.get("dist", _DEFAULT)] + [_DEFAULT] * 7
    elif kind in _BCJ:
        known = {"id", "start_offset"}
        numbers = [given.get("start_offset", _DEFAULT)] + [_DEFAULT] * 7
    else:
        raise ValueError(f"Invalid filter ID: {kind}")
    if not given.keys() <= known:
        raise ValueError("Invalid filter specifier")
    preset = given.get("preset", PRESET_DEFAULT)
    try:
        return struct.pack("<QI", kind, preset) + b"".join(
            struct.pack("<i" if number < 0 else "<I", number) for number in numbers
        )
    except struct.error:
        raise OverflowError(
            "a number of the filter does not fit into 32 bits"
        ) from None


def _open(compresses, format, check, preset, memory, filters):
    handle, code = _streams.xz_open(
        compresses, format, check, preset, memory, _packed(filters)
    )
    if code:
        raise _failure(code) or LZMAError(_MESSAGES[8])
    return handle, Steps(handle, _streams.xz_step, _streams.xz_close, {_END}, _failure)


class LZMACompressor(Compressor):
    """Compresses data bit by bit."""

    __module__ = "_lzma"

    def __init__(self, format=FORMAT_XZ, check=-1, preset=None, filters=None):
        if preset is not None and filters is not None:
            raise ValueError("Cannot specify both preset and filter chain")
        format, check = index(format), index(check)
        if format not in (FORMAT_XZ, FORMAT_ALONE, FORMAT_RAW):
            raise ValueError(f"Invalid container format: {format}")
        if format != FORMAT_XZ and check not in (-1, CHECK_NONE):
            raise ValueError("Integrity checks are only supported by FORMAT_XZ")
        if format == FORMAT_RAW and filters is None:
            raise ValueError("Must specify filters for FORMAT_RAW")
        preset = _preset(preset)
        check = CHECK_CRC64 if check == -1 else check
        _, steps = _open(1, format, check, preset, 0, filters)
        super().__init__(steps)


class LZMADecompressor(Decompressor):
    """Decompresses data bit by bit."""

    __module__ = "_lzma"

    def __init__(self, format=FORMAT_AUTO, memlimit=None, filters=None):
        format = index(format)
        if format not in range(4):
            raise ValueError(f"Invalid container format: {format}")
        if format == FORMAT_RAW:
            if memlimit is not None:
                raise ValueError("Cannot specify memory limit with FORMAT_RAW")
            if filters is None:
                raise ValueError("Must specify filters for FORMAT_RAW")
        elif filters is not None:
            raise ValueError("Cannot specify filters except with FORMAT_RAW")
        memory = (1 << 64) - 1 if memlimit is None else index(memlimit)
        self._handle, steps = _open(0, format, 0, PRESET_DEFAULT, memory, filters)
        super().__init__(steps)
        self._format = format
        self.check = (
            CHECK_NONE if format in (FORMAT_ALONE, FORMAT_RAW) else CHECK_UNKNOWN
        )

    def decompress(self, data, max_length=-1):
        out = super().decompress(data, max_length)
        if self.check == CHECK_UNKNOWN and (out or self.eof):
            self.check = _streams.xz_check(self._handle)
        return out


def is_check_supported(check, /):
    return check in (CHECK_NONE, CHECK_CRC32, CHECK_CRC64, CHECK_SHA256)


def _encode_filter_properties(filter, /):
    """The properties of a filter as archives have them."""
    _packed_filter(filter)
    kind = filter["id"]
    if kind == FILTER_LZMA1:
        lc, lp, pb = filter.get("lc", 3), filter.get("lp", 0), filter.get("pb", 2)
        if lc + lp > 4 or pb > 4:
            raise LZMAError(_MESSAGES[8])
        return struct.pack("<BI", (pb * 5 + lp) * 9 + lc, _dict_size(filter))
    if kind == FILTER_LZMA2:
        size = max(_dict_size(filter), 4096)
        for code in range(40):
            if (2 | code & 1) << (code // 2 + 11) >= size:
                return bytes([code])
        return bytes([40])
    if kind == FILTER_DELTA:
        dist = filter.get("dist", 1)
        if not 1 <= dist <= 256:
            raise LZMAError(_MESSAGES[8])
        return bytes([dist - 1])
    offset = filter.get("start_offset", 0)
    return struct.pack("<I", offset) if offset else b""


def _dict_size(filter):
    if "dict_size" in filter:
        return filter["dict_size"]
    # The table of liblzma, by the preset.
    level = filter.get("preset", PRESET_DEFAULT) & 31
    return 1 << (18, 20, 21, 22, 22, 23, 23, 24, 25, 26)[level]


def _decode_filter_properties(filter_id, encoded_props, /):
    """A filter from its properties in an archive."""
    data = bytes(encoded_props)
    try:
        if filter_id == FILTER_LZMA1:
            first, size = struct.unpack("<BI", data)
            if first >= 9 * 5 * 5:
                raise ValueError("no such properties")
            rest, lc = divmod(first, 9)
            pb, lp = divmod(rest, 5)
            return {"id": filter_id, "dict_size": size, "lc": lc, "lp": lp, "pb": pb}
        if filter_id == FILTER_LZMA2:
            (code,) = data
            if code > 40:
                raise ValueError("no such size")
            size = 0xFFFF_FFFF if code == 40 else (2 | code & 1) << (code // 2 + 11)
            return {"id": filter_id, "dict_size": size}
        if filter_id == FILTER_DELTA:
            return {"id": filter_id, "dist": data[0] + 1}
        if filter_id in _BCJ:
            if not data:
                return {"id": filter_id}
            return {"id": filter_id, "start_offset": struct.unpack("<I", data)[0]}
    except (struct.error, ValueError, IndexError):
        raise LZMAError(_MESSAGES[8]) from None
    raise ValueError(f"Invalid filter ID: {filter_id}")
