"""`ctypes.util`: there is no library to be found."""


def find_library(_name):
    return None
