"""Memory ends in an exception that can be caught."""

blocks = []
try:
    while True:
        blocks.append(bytearray(1 << 20))
except MemoryError:
    blocks.clear()
    print("blocks")
objects = []
try:
    while True:
        objects.append(object())
except MemoryError:
    objects.clear()
    print("objects")
try:
    "x" * (1 << 31)
except (MemoryError, OverflowError):
    print("text")
sum(bytearray(1 << 20))
