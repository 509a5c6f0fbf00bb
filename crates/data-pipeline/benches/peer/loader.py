"""Loads the images of a folder with PyTorch's DataLoader, Pillow and two workers, once for every line of input; answers with
the seconds it took.

Usage: loader.py FOLDER SIDE resize|augment

`augment` is a random resized crop, a flip and two of ten operations, as X-VLM trains, each by Pillow.
"""

import math
import random
import sys
import time
from pathlib import Path

import numpy
import PIL
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch.utils.data import DataLoader, Dataset

folder, side, mode = sys.argv[1], int(sys.argv[2]), sys.argv[3]
SIZE = (side, side)
BICUBIC, BILINEAR = Image.Resampling.BICUBIC, Image.Resampling.BILINEAR
FACTOR, SHEAR, PIXELS, DEGREES = 0.7 * 1.8 + 0.1, 0.21, 7, 21


def crop(image):
    width, height = image.size
    for _ in range(10):
        area = width * height * random.uniform(0.5, 1)
        ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left, top = random.randint(0, width - w), random.randint(0, height - h)
            return image.crop((left, top, left + w, top + h))
    return image


def affine(image, *map):
    return image.transform(image.size, Image.Transform.AFFINE, map, BILINEAR, fillcolor=(128, 128, 128))


def sign():
    return random.choice([-1, 1])


OPERATIONS = [
    lambda image: image,
    ImageOps.autocontrast,
    ImageOps.equalize,
    lambda image: ImageEnhance.Brightness(image).enhance(FACTOR),
    lambda image: ImageEnhance.Sharpness(image).enhance(FACTOR),
    lambda image: affine(image, 1, sign() * SHEAR, 0, 0, 1, 0),
    lambda image: affine(image, 1, 0, 0, sign() * SHEAR, 1, 0),
    lambda image: affine(image, 1, 0, sign() * PIXELS, 0, 1, 0),
    lambda image: affine(image, 1, 0, 0, 0, 1, sign() * PIXELS),
    lambda image: image.rotate(sign() * DEGREES, BILINEAR, fillcolor=(128, 128, 128)),
]


def augment(image):
    image = crop(image).resize(SIZE, BICUBIC)
    if random.random() < 0.5:
        image = ImageOps.mirror(image)
    for operation in random.choices(OPERATIONS, k=2):
        if random.random() < 0.5:
            image = operation(image)
    return image


def resize(image):
    return image.resize(SIZE, BICUBIC)


class Images(Dataset):
    def __init__(self):
        self.paths = sorted(Path(folder).iterdir())

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        image = Image.open(self.paths[index]).convert("RGB")
        image = augment(image) if mode == "augment" else resize(image)
        return torch.from_numpy(numpy.array(image))


if __name__ == "__main__":
    # Workers stay between epochs, so their start is no part of the time.
    loader = DataLoader(Images(), batch_size=8, num_workers=2, prefetch_factor=2, persistent_workers=True)
    for _ in loader:
        pass
    print(f"DataLoader of PyTorch {torch.__version__} with Pillow {PIL.__version__}", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        for _ in loader:
            pass
        print(time.perf_counter() - start, flush=True)
