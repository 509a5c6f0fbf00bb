"""Draws the files of `more/` and decodes their references with Pillow.

Run with Pillow and NumPy: `python3 make.py`. The other folders were drawn with the same tools and are kept as they are.
"""

import json
import struct
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

HERE = Path(__file__).parent
OUT = HERE / "more"
OUT.mkdir(exist_ok=True)
WIDTH, HEIGHT = 37, 29

y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
rng = np.random.default_rng(5)
SMOOTH = np.stack([x * 6, y * 8, (x * 3 + y * 5) % 256], axis=2).astype(np.uint8)
NOISE = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
ALPHA = ((x + y) * 3 % 256).astype(np.uint8)
cases = []


def case(name, reference=None, tolerance=0.0):
    path = OUT / name
    if reference is None:
        with Image.open(path) as image:
            reference = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    stem = name.replace(".", "_")
    Image.fromarray(reference).save(OUT / f"{stem}_reference.png")
    cases.append({"file": f"more/{name}", "reference": f"more/{stem}_reference.png", "tolerance": tolerance})


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def save(name, image, tolerance=0.0, **options):
    image.save(OUT / name, **options)
    case(name, tolerance=tolerance)


smooth, noise = Image.fromarray(SMOOTH), Image.fromarray(NOISE)
rgba = Image.fromarray(np.dstack([SMOOTH, ALPHA]))

# WebP. Decoders may differ in how they smooth the halved colour planes.
save("lossless.webp", noise, lossless=True)
save("lossy.webp", smooth, tolerance=1.0, quality=80)
save("lossy_noise.webp", noise, tolerance=1.0, quality=60)
save("lossless_alpha.webp", rgba, lossless=True, exact=True)
save("lossy_alpha.webp", rgba, tolerance=1.0, quality=80, exact=True)
save("animated.webp", smooth, lossless=True, save_all=True, append_images=[noise])
save("oriented.webp", smooth, lossless=True, exif=exif(6))

# PNG and TIFF with an orientation.
save("oriented.png", smooth, exif=exif(8))
save("oriented.tiff", smooth, tiffinfo={0x0112: 5})

# GIF.
save("interlaced.gif", smooth.quantize(64), interlace=1)
save("transparent.gif", smooth.quantize(64), transparency=3)
save("animated.gif", smooth.quantize(32), save_all=True, append_images=[noise.quantize(32)])
save("grey.gif", smooth.convert("L"))
save("two_colours.gif", smooth.convert("1"))

# BMP: what Pillow writes, and headers of other programs around the same pixels.
save("rgb.bmp", noise)
save("grey.bmp", noise.convert("L"))
save("one_bit.bmp", noise.convert("1"))
save("palette.bmp", noise.quantize(200))


def rows(array, top_down=False):
    lines = array if top_down else array[::-1]
    return b"".join(line.tobytes() + bytes(-len(line.tobytes()) % 4) for line in lines)


def bmp(name, data, bits, height=HEIGHT, compression=0, palette=b"", extra=b"", size=40, reference=None):
    start = 14 + size + (len(extra) if size == 40 else 0) + len(palette)
    header = struct.pack("<IiiHHIIiiII", size, WIDTH, height, 1, bits, compression, len(data), 0, 0, len(palette) // 4, 0)
    if size > 40:
        header += extra + bytes(size - 40 - len(extra))
        extra = b""
    file_header = b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start)
    (OUT / name).write_bytes(file_header + header + extra + palette + data)
    case(name, reference)


bmp("top_down.bmp", rows(NOISE[:, :, ::-1], True), 24, height=-HEIGHT)
bgrx = np.dstack([NOISE[:, :, ::-1], ALPHA])
bmp("bits_32.bmp", rows(bgrx), 32)
bmp("v5.bmp", rows(bgrx), 32, compression=3, size=124, extra=struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000), reference=NOISE)
short = rng.integers(0, 65536, (HEIGHT, WIDTH), dtype=np.uint16)
scaled = lambda shift, bits: ((short >> shift) & (2**bits - 1)).astype(int) * 255 // (2**bits - 1)
five = np.stack([scaled(10, 5), scaled(5, 5), scaled(0, 5)], axis=2).astype(np.uint8)
six = np.stack([scaled(11, 5), scaled(5, 6), scaled(0, 5)], axis=2).astype(np.uint8)
bmp("bits_555.bmp", rows(short), 16, reference=five)
bmp("bits_565.bmp", rows(short), 16, compression=3, extra=struct.pack("<3I", 0xF800, 0x7E0, 0x1F), reference=six)
index = rng.integers(0, 16, (HEIGHT, WIDTH + WIDTH % 2), dtype=np.uint8)
palette = np.dstack([rng.integers(0, 256, (1, 16, 3), dtype=np.uint8), np.zeros((1, 16, 1), np.uint8)])[0]
packed = index[:, 0::2] * 16 + index[:, 1::2]
bmp("palette_4.bmp", rows(packed), 4, palette=palette.tobytes(), reference=palette[index[:, :WIDTH]][:, :, 2::-1])
head = b"BM" + struct.pack("<IHHI", 26, 0, 0, 26) + struct.pack("<IHHHH", 12, WIDTH, HEIGHT, 1, 24)
(OUT / "core.bmp").write_bytes(head + rows(NOISE[:, :, ::-1]))
case("core.bmp", NOISE)

# TIFF.
for compression in ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"]:
    save(f"{compression}.tiff", smooth, compression=compression)
save("predictor.tiff", smooth, compression="tiff_lzw", tiffinfo={317: 2})
save("strips.tiff", smooth, compression="tiff_lzw", tiffinfo={278: 5})
save("grey.tiff", smooth.convert("L"))
save("one_bit.tiff", smooth.convert("1"))
save("palette.tiff", smooth.quantize(40))
save("cmyk.tiff", noise.convert("CMYK"))
save("alpha.tiff", rgba)
wide = Image.fromarray((x * 1700 + y * 7).astype(np.uint16))
wide.save(OUT / "grey_16.tiff")
case("grey_16.tiff", np.repeat(((x * 1700 + y * 7) >> 8).astype(np.uint8)[:, :, None], 3, axis=2))

# JPEG: layouts and rules beside those of `../jpeg`.
for quality, sampling in [(95, 0), (50, 1), (75, 2)]:
    save(f"restart_{sampling}.jpg", smooth, quality=quality, subsampling=sampling, restart_marker_blocks=3)
    save(f"progressive_{sampling}.jpg", noise, quality=quality, subsampling=sampling, progressive=True, optimize=True)
save("cmyk_progressive.jpg", noise.convert("CMYK"), progressive=True)
save("one_pixel.jpg", smooth.crop((0, 0, 1, 1)))
save("narrow.jpg", smooth.crop((0, 0, 3, 29)), subsampling=2)

(OUT / "cases.json").write_text("[\n" + ",\n".join("  " + json.dumps(one) for one in cases) + "\n]\n")
