"""Standard output and standard error of programs.

Lines leave the guest when they are complete, so that they survive the end of
the guest, however it ends. Nothing that can be printed is an error: what is
not Unicode is shown escaped.
"""

import io
import sys


def _stream(descriptor, line_buffering):
    raw = io.FileIO(descriptor, "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding="utf-8",
        errors="backslashreplace",
        newline="\n",
        line_buffering=line_buffering,
        write_through=not line_buffering,
    )


_out = _stream(1, line_buffering=True)
_err = _stream(2, line_buffering=True)


def install():
    """Makes these the streams of `sys`."""
    sys.stdout = sys.__stdout__ = _out
    sys.stderr = sys.__stderr__ = _err


def flush():
    """Sends what is not a complete line yet."""
    for stream in (_out, _err):
        try:
            stream.flush()
        except (OSError, ValueError):
            # The host takes no more, or the program closed it.
            pass


def complain(message):
    """What `sys.exit("message")` prints."""
    try:
        text = str(message)
    except BaseException as error:
        text = f"<exit message whose str() raised {type(error).__name__}>"
    try:
        print(text, file=_err)
    except (OSError, ValueError):
        # The host takes no more, or the program closed it.
        pass
