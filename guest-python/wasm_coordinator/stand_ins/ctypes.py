"""`ctypes` without libraries: the types, their sizes and values.

What is loaded, called or pointed to is native code, and there is none. Sizes
are those of this machine: 32 bits for `long` and pointers.
"""

import struct as _struct

_NO_LIBRARIES = "the sandbox has no native libraries: use pure Python"

__version__ = "1.1.0"
DEFAULT_MODE = RTLD_LOCAL = 0
RTLD_GLOBAL = 1


class ArgumentError(Exception):
    """The arguments of a foreign function do not fit."""


def _refuse(*_args, **_keywords):
    raise OSError(_NO_LIBRARIES)


class _CData:
    """What every type is."""

    _size = 0

    @classmethod
    def in_dll(cls, _library, _name):
        raise OSError(_NO_LIBRARIES)

    from_address = in_dll
    from_param = classmethod(lambda cls, value: value)


class _Type(type(_CData)):
    """Makes `c_int * 3` an array."""

    def __mul__(cls, length):
        if length < 0:
            raise ValueError("Array length must be >= 0")
        name = f"{cls.__name__}_Array_{length}"
        return _Type(
            name,
            (Array,),
            {"_type_": cls, "_length_": length, "_size": sizeof(cls) * length},
        )

    __rmul__ = __mul__


class _SimpleCData(_CData, metaclass=_Type):
    """One value."""

    _code = "i"

    def __init_subclass__(cls):
        cls._size = _struct.calcsize(cls._code)

    def __init__(self, value=None):
        self.value = type(self)._default() if value is None else value

    @classmethod
    def _default(cls):
        return 0

    @property
    def value(self):
        return self._value

    @value.setter
    def value(self, value):
        code = self._code
        if code in "bBhHiIlLqQP":
            # Whole numbers are cut to their size, as in C.
            value = int(value or 0) & ((1 << 8 * self._size) - 1)
            if code in "bhilq" and value >> (8 * self._size - 1):
                value -= 1 << 8 * self._size
            self._value = value
        else:
            self._value = _struct.unpack(code, _struct.pack(code, value))[0]

    def __repr__(self):
        return f"{type(self).__name__}({self.value!r})"

    def __bool__(self):
        return bool(self.value)


def _simple(name, code, default=0):
    made = _Type(
        name,
        (_SimpleCData,),
        {
            "_code": code,
            "__module__": "ctypes",
            "_default": classmethod(lambda cls: default),
        },
    )
    return made


c_bool = _simple("c_bool", "?", False)
c_char = _simple("c_char", "c", b"\0")
c_byte = c_int8 = _simple("c_byte", "b")
c_ubyte = c_uint8 = _simple("c_ubyte", "B")
c_short = c_int16 = _simple("c_short", "h")
c_ushort = c_uint16 = _simple("c_ushort", "H")
c_int = c_int32 = _simple("c_int", "i")
c_uint = c_uint32 = _simple("c_uint", "I")
c_long = _simple("c_long", "l")
c_ulong = _simple("c_ulong", "L")
c_longlong = c_int64 = _simple("c_longlong", "q")
c_ulonglong = c_uint64 = _simple("c_ulonglong", "Q")
c_size_t = c_uint if _struct.calcsize("P") == 4 else c_ulonglong
c_ssize_t = c_time_t = c_int if _struct.calcsize("P") == 4 else c_longlong
c_float = _simple("c_float", "f", 0.0)
c_double = c_longdouble = _simple("c_double", "d", 0.0)
c_void_p = c_voidp = _simple("c_void_p", "P")


class _Text(_SimpleCData):
    """A pointer to text, or one character: what Python has for it."""

    _code = "P"

    @classmethod
    def _default(cls):
        return None

    value = None


class c_char_p(_Text):
    """A text of bytes."""


class c_wchar_p(_Text):
    """A text."""


class c_wchar(_Text):
    """A character."""

    _code = "i"


class py_object(_Text):
    """An object of Python."""


class Array(_CData, metaclass=_Type):
    """Several values of one type."""

    _length_ = 0

    def __init__(self, *values):
        if len(values) > self._length_:
            raise IndexError("invalid index")
        made = [self._type_() for _ in range(self._length_ - len(values))]
        self._items = [*values, *(getattr(each, "value", each) for each in made)]

    def __len__(self):
        return self._length_

    def __getitem__(self, index):
        return self._items[index]

    def __setitem__(self, index, value):
        self._items[index] = value


class Structure(_CData, metaclass=_Type):
    """Named values, one behind another."""

    def __init_subclass__(cls):
        cls._size, align = 0, 1
        for _name, kind, *_bits in getattr(cls, "_fields_", ()):
            its = alignment(kind)
            align = max(align, its)
            cls._size += -cls._size % its + sizeof(kind)
        cls._align = align
        cls._size += -cls._size % align

    def __init__(self, *values, **named):
        fields = [field[:2] for field in getattr(self, "_fields_", ())]
        for name, kind in fields:
            made = kind()
            setattr(self, name, getattr(made, "value", made))
        for (name, _), value in zip(fields, values, strict=False):
            setattr(self, name, value)
        for name, value in named.items():
            setattr(self, name, value)


class Union(Structure):
    """Named values in one place."""

    def __init_subclass__(cls):
        kinds = [field[1] for field in getattr(cls, "_fields_", ())]
        cls._align = max(map(alignment, kinds), default=1)
        size = max(map(sizeof, kinds), default=0)
        cls._size = size + -size % cls._align


BigEndianStructure = LittleEndianStructure = Structure
BigEndianUnion = LittleEndianUnion = Union


class _Pointer(_SimpleCData):
    """A pointer, which can only be named."""

    _code = "P"


def sizeof(kind):
    return kind._size


def alignment(kind):
    element = getattr(kind, "_type_", kind)
    return getattr(element, "_align", None) or max(element._size, 1)


def POINTER(kind):
    name = "LP_" + getattr(kind, "__name__", "None")
    return _Type(name, (_Pointer,), {"_type_": kind})


def CFUNCTYPE(result, *arguments, **_flags):
    return _Type("CFunctionType", (_Pointer,), {"__init__": _refuse})


PYFUNCTYPE = WINFUNCTYPE = CFUNCTYPE
byref = pointer = cast = addressof = memmove = memset = string_at = _refuse
wstring_at = create_string_buffer = create_unicode_buffer = resize = _refuse


class CDLL:
    """A library, which is not there."""

    def __init__(self, name=None, *_args, **_keywords):
        raise OSError(f"`{name}` cannot be loaded: {_NO_LIBRARIES}")


PyDLL = WinDLL = OleDLL = CDLL


class _Loader:
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise OSError(f"`{name}` cannot be loaded: {_NO_LIBRARIES}")

    def LoadLibrary(self, name):
        return CDLL(name)


cdll = pydll = pythonapi = _Loader()


def get_errno():
    return 0


def set_errno(_value):
    return 0
