"""`bz2` and `lzma`: what is packed is what others unpack."""

import base64
import bz2
import io
import lzma
import tarfile
import zipfile

# Of the programs bzip2 and xz.
SAMPLES = {
    bz2: "QlpoOTFBWSZTWeW18wkAAARRAAAQQAACRKAAIbUYDAKQacKjC7kinChIctr5hIA=",
    lzma: "/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4AARAAxdADQZSe6N6U9+ISGwAAAfAdnIh8FDyAABKBL"
    "JamKOH7bzfQEAAAAABFla",
}
data = bytes(range(256)) * 3000
for module in (bz2, lzma):
    print(module.decompress(base64.b64decode(SAMPLES[module])))
    packed = module.compress(data)
    print(module.__name__, len(packed) < 20_000, module.decompress(packed) == data)
    print(module.decompress(packed + module.compress(b"more")) == data + b"more")
    reader = (module.BZ2Decompressor if module is bz2 else module.LZMADecompressor)()
    parts = [reader.decompress(packed, 1000)]
    while not reader.eof:
        parts.append(reader.decompress(b"", 1000))
    print(max(map(len, parts)), b"".join(parts) == data, reader.unused_data)
    with module.open(f"{module.__name__}.file", "wt") as file:
        file.write("line\n" * 100_000)
    with module.open(f"{module.__name__}.file", "rt") as file:
        print(sum(1 for _ in file))
    for bad in (b"no such data" * 10, packed[:50] + b"?" * 50 + packed[100:]):
        try:
            module.decompress(bad)
        except (OSError, lzma.LZMAError, ValueError) as error:
            print(type(error).__name__, error)
    try:
        module.decompress(packed[:-10])
    except (EOFError, ValueError, lzma.LZMAError) as error:
        print(type(error).__name__)
bomb = lzma.compress(bytes(5_000_000), preset=1)
print(len(lzma.LZMADecompressor().decompress(bomb, 10)), len(bomb) < 10_000)
raw = [{"id": lzma.FILTER_DELTA, "dist": 4}, {"id": lzma.FILTER_LZMA2, "preset": 3}]
packed = lzma.compress(data, format=lzma.FORMAT_RAW, filters=raw)
print(lzma.decompress(packed, format=lzma.FORMAT_RAW, filters=raw) == data)
alone = lzma.compress(data, format=lzma.FORMAT_ALONE)
print(lzma.decompress(alone) == data)
for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("a", data)
    print(zipfile.ZipFile(file).read("a") == data)
for mode in ("bz2", "xz"):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=f"w:{mode}") as archive:
        member = tarfile.TarInfo("a")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    file.seek(0)
    print(tarfile.open(fileobj=file).extractfile("a").read() == data)
