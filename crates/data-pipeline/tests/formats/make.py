"""Writes the images of this folder: every PNG variant the decoder must read, and JPEGs with what Pillow reads in them.

Run with Python 3 and Pillow: python make.py
"""

import struct
import zlib
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
WIDTH, HEIGHT = 9, 5  # Odd, so that packed rows end within a byte and interlaced passes differ in size.


def rgb(x, y):
    return x * 28, y * 60, (x * 7 + y * 31) % 256


def gray(x, y):
    return x * 25 + y * 5


def png(name, depth, color, row, extra=b"", interlaced=False):
    """row(xs, y) gives the packed bytes of the pixels xs of line y."""
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    data = b""
    for x0, y0, dx, dy in passes:
        xs = range(x0, WIDTH, dx)
        if len(xs):
            data += b"".join(b"\0" + row(xs, y) for y in range(y0, HEIGHT, dy))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, color, 0, 0, int(interlaced))
    (HERE / f"{name}.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    )


def bits(values, depth):
    text = "".join(format(v, f"0{depth}b") for v in values)
    text += "0" * (-len(text) % 8)
    return bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8))


def chunk_of(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def wide(value, low):
    """16 bits whose high byte is the value."""
    return bytes([value, low])


palette = bytes(v for i in range(16) for v in (i * 16, 255 - i * 16, i * 5))
plte = chunk_of(b"PLTE", palette)
trns = chunk_of(b"tRNS", bytes(range(0, 160, 10)))

png("gray", 8, 0, lambda xs, y: bytes(gray(x, y) for x in xs))
png("gray_1", 1, 0, lambda xs, y: bits([(x + y) % 2 for x in xs], 1))
png("gray_16", 16, 0, lambda xs, y: b"".join(wide(gray(x, y), 200) for x in xs))
png("gray_alpha", 8, 4, lambda xs, y: b"".join(bytes([gray(x, y), x * 20]) for x in xs))
png("gray_alpha_16", 16, 4, lambda xs, y: b"".join(wide(gray(x, y), 99) + wide(x * 20, 1) for x in xs))
png("palette_4", 4, 3, lambda xs, y: bits([(x + y) % 16 for x in xs], 4), plte)
png("palette_8", 8, 3, lambda xs, y: bytes((x + y) % 16 for x in xs), plte)
png("palette_alpha", 8, 3, lambda xs, y: bytes((x + y) % 16 for x in xs), plte + trns)
png("rgb", 8, 2, lambda xs, y: b"".join(bytes(rgb(x, y)) for x in xs))
png("rgb_interlaced", 8, 2, lambda xs, y: b"".join(bytes(rgb(x, y)) for x in xs), interlaced=True)
png("rgb_16", 16, 2, lambda xs, y: b"".join(wide(v, 250) for x in xs for v in rgb(x, y)))
png("rgba", 8, 6, lambda xs, y: b"".join(bytes([*rgb(x, y), x * 20]) for x in xs))
png("rgba_16", 16, 6, lambda xs, y: b"".join(wide(v, 3) for x in xs for v in (*rgb(x, y), x * 20)))

smooth = Image.new("RGB", (37, 21))
smooth.putdata([(x * 6, y * 11, 255 - x * 3 - y * 5) for y in range(21) for x in range(37)])
for name, image, options in [
    ("rgb_444", smooth, {"subsampling": 0}),
    ("rgb_420", smooth, {"subsampling": 2}),
    ("progressive", smooth, {"subsampling": 2, "progressive": True}),
    ("gray", smooth.convert("L"), {}),
    ("cmyk", smooth.convert("CMYK"), {}),
]:
    path = HERE / f"{name}.jpg"
    image.save(path, quality=95, **options)
    (HERE / f"{name}.rgb").write_bytes(Image.open(path).convert("RGB").tobytes())
