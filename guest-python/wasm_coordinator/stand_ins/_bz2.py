"""`_bz2` on the bzip2 of `_streams`."""

from wasm_coordinator import _streams
from wasm_coordinator.steps import Compressor, Decompressor, Steps


def _failure(code):
    # The numbers of bzlib.h.
    if code == -3:
        return MemoryError()
    if code in (-4, -5):
        return OSError("Invalid data stream")
    if code == -7:
        return EOFError("Compressed file ended before the logical end-of-stream")
    return SystemError(f"bzip2: error {code}")


class BZ2Compressor(Compressor):
    """Compresses data bit by bit."""

    __module__ = "_bz2"

    def __init__(self, compresslevel=9, /):
        if not 1 <= compresslevel <= 9:
            raise ValueError("compresslevel must be between 1 and 9")
        handle = _streams.bzip2_open(compresslevel)
        super().__init__(
            Steps(handle, _streams.bzip2_step, _streams.bzip2_close, {1}, _failure)
        )


class BZ2Decompressor(Decompressor):
    """Decompresses data bit by bit."""

    __module__ = "_bz2"

    def __init__(self):
        handle = _streams.bzip2_open(0)
        super().__init__(
            Steps(handle, _streams.bzip2_step, _streams.bzip2_close, {1}, _failure)
        )
