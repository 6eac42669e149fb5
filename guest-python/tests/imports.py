"""What pure Python packages import, and hardly ever use, can be imported."""

import ctypes
import ctypes.util
import ssl
import urllib.request
from ctypes import wintypes


class Point(ctypes.Structure):
    _fields_ = [("x", ctypes.c_char), ("y", ctypes.c_double)]


def attempt(function):
    try:
        function()
    except Exception as error:
        print(f"{type(error).__name__}: {error}"[:100])


print(ctypes.sizeof(ctypes.c_long), ctypes.sizeof(Point), ctypes.c_int8(200).value)
print((ctypes.c_int * 3)(1, 2)[2], ctypes.sizeof(wintypes.DWORD))
print(ctypes.util.find_library("c"))
attempt(lambda: ctypes.CDLL("libc.so.6"))
attempt(lambda: ctypes.pythonapi.Py_IncRef)
context = ssl.create_default_context()
context.minimum_version = ssl.TLSVersion.TLSv1_3
print(context.verify_mode.name, context.check_hostname, ssl.SSLError.__mro__[1])
attempt(lambda: context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO()))
attempt(lambda: ssl.get_server_certificate(("127.0.0.1", 1)))
attempt(lambda: urllib.request.urlopen("https://127.0.0.1:1/"))
