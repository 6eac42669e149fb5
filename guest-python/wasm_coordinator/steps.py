"""Streams of `_streams`, the native module, as `_bz2` and `_lzma` have them."""

# What may come out of one step. Enough to be quick; small beside a program.
_CHUNK = 1 << 16


class Steps:
    """One stream of the native module. `ends` are the codes that say that it
    is at its end, and `failure` makes an exception of a code that is an error,
    or None of one that says something else."""

    def __init__(self, handle, step, close, ends, failure):
        self._handle = handle
        self._step = step
        self._close = close
        self._ends = ends
        self._failure = failure
        self.ended = False

    def __del__(self):
        close, self._close = getattr(self, "_close", None), None
        if close is not None:
            close(self._handle)

    def __reduce__(self):
        raise TypeError("a stream cannot be pickled")

    def step(self, data, offset, limit, ends):
        """What came out, and where the input goes on."""
        out, offset, code = self._step(self._handle, data, offset, limit, ends)
        if code in self._ends:
            self.ended = True
        elif code:
            error = self._failure(code)
            if error is not None:
                raise error
        return out, offset

    def all(self, data, ends):
        """All that comes out of an input."""
        data = bytes(data)
        parts = []
        offset = 0
        while not self.ended:
            out, offset = self.step(data, offset, _CHUNK, ends)
            parts.append(out)
            if not ends and offset == len(data) and len(out) < _CHUNK:
                break
        return b"".join(parts)


class Compressor:
    """What both compressors are."""

    def __init__(self, steps):
        self._steps = steps
        self._flushed = False

    def compress(self, data, /):
        if self._flushed:
            raise ValueError("Compressor has been flushed")
        return self._steps.all(data, ends=False)

    def flush(self):
        if self._flushed:
            raise ValueError("Repeated call to flush()")
        self._flushed = True
        return self._steps.all(b"", ends=True)


class Decompressor:
    """What both decompressors are."""

    def __init__(self, steps):
        self._steps = steps
        # Input that was given and not yet used.
        self._left = b""
        self.unused_data = b""
        self.needs_input = True

    @property
    def eof(self):
        return self._steps.ended

    def decompress(self, data, max_length=-1):
        if self._steps.ended:
            raise EOFError("End of stream already reached")
        given = self._left + bytes(data)
        # Nothing more is wanted if this fails.
        self.needs_input = False
        parts = []
        room = max_length
        offset = 0
        full = False
        while not self._steps.ended:
            limit = _CHUNK if max_length < 0 else min(room, _CHUNK)
            if limit == 0:
                full = True
                break
            before = offset
            out, offset = self._steps.step(given, offset, limit, False)
            parts.append(out)
            room -= len(out)
            if len(out) < limit and (offset == len(given) or offset == before):
                break
        self._left = given[offset:]
        if self._steps.ended:
            self.unused_data, self._left = self._left, b""
        else:
            self.needs_input = not full and not self._left
        return b"".join(parts)
