"""`ctypes.wintypes`: the names that Windows has for types."""

from ctypes import (
    POINTER,
    Structure,
    c_bool,
    c_char_p,
    c_int,
    c_long,
    c_short,
    c_ubyte,
    c_ulong,
    c_ushort,
    c_void_p,
    c_wchar,
    c_wchar_p,
)

BYTE = BOOLEAN = c_ubyte
WORD = USHORT = ATOM = c_ushort
DWORD = ULONG = UINT = COLORREF = c_ulong
BOOL = INT = c_int
LONG = LPARAM = LRESULT = c_long
SHORT = c_short
WCHAR = c_wchar
VARIANT_BOOL = c_bool
LPSTR = LPCSTR = c_char_p
LPWSTR = LPCWSTR = c_wchar_p
LPVOID = LPCVOID = HANDLE = HWND = HMODULE = HINSTANCE = c_void_p
LPDWORD = PDWORD = POINTER(DWORD)


class _COORD(Structure):
    _fields_ = [("X", SHORT), ("Y", SHORT)]


class SMALL_RECT(Structure):
    """A rectangle of characters."""

    _fields_ = [(side, SHORT) for side in ("Left", "Top", "Right", "Bottom")]
