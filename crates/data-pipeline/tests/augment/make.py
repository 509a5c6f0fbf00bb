"""Draws small pictures and what Pillow makes of them: crops, and each operation of the augmentation at several strengths.

Run with Pillow and NumPy: `python3 make.py`. A file is called PICTURE.OPERATION[.NUMBER...].png after what was done, and
PICTURE.png before.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

HERE = Path(__file__).parent
GRAY = (128, 128, 128)


def save(image, *name):
    image.save(HERE / (".".join([*map(str, name), "png"])), optimize=True)


def pictures():
    height, width = 31, 45
    y, x = np.mgrid[0:height, 0:width]
    rng = np.random.default_rng(8)
    smooth = np.stack([40 + x * 3, 200 - y * 4, 60 + (x + y) * 2], axis=2)
    edges = np.where(((x // 6 + y // 5) % 2 == 0)[..., None], [230, 40, 90], [20, 150, 250])
    noise = rng.integers(0, 256, (height, width, 3))
    # Few levels in a narrow range, one channel of one level.
    narrow = np.stack([100 + rng.integers(0, 9, (height, width)), np.full((height, width), 77), 30 + x], axis=2)
    for name, pixels in [("smooth", smooth), ("edges", edges), ("noise", noise), ("narrow", narrow)]:
        yield name, Image.fromarray(pixels.astype(np.uint8))
    y, x = np.mgrid[0:64, 0:64]
    square = 128 + 90 * np.sin(x[..., None] / [3, 7, 5]) * np.cos(y[..., None] / [6, 4, 9]) + rng.normal(0, 9, (64, 64, 3))
    yield "square", Image.fromarray(square.clip(0, 255).astype(np.uint8))


def affine(image, *map):
    return image.transform(image.size, Image.Transform.AFFINE, map, Image.Resampling.BILINEAR, fillcolor=GRAY)


for old in HERE.glob("*.png"):
    old.unlink()
for name, image in pictures():
    save(image, name)
    save(ImageOps.autocontrast(image), name, "autocontrast")
    save(ImageOps.equalize(image), name, "equalize")
    for magnitude in [0, 7, 10]:
        factor = magnitude / 10 * 1.8 + 0.1
        save(ImageEnhance.Brightness(image).enhance(factor), name, "brightness", magnitude)
        save(ImageEnhance.Sharpness(image).enhance(factor), name, "sharpness", magnitude)
    for magnitude in [7, -7, 10]:
        shear, pixels = magnitude / 10 * 0.3, magnitude
        save(affine(image, 1, shear, 0, 0, 1, 0), name, "shearx", magnitude)
        save(affine(image, 1, 0, 0, shear, 1, 0), name, "sheary", magnitude)
        save(affine(image, 1, 0, pixels, 0, 1, 0), name, "translatex", magnitude)
        save(affine(image, 1, 0, 0, 0, 1, pixels), name, "translatey", magnitude)
        turned = image.rotate(magnitude / 10 * 30, Image.Resampling.BILINEAR, fillcolor=GRAY)
        save(turned, name, "rotate", magnitude)
    for left, top, width, height in [(3, 2, 30, 25), (0, 0, 45, 31), (10, 6, 20, 24), (5, 1, 16, 28)]:
        part = image.crop((left, top, left + width, top + height))
        resized = part.resize((24, 24), Image.Resampling.BICUBIC)
        save(resized, name, "crop", left, top, width, height)
    save(ImageOps.mirror(image), name, "mirror")
