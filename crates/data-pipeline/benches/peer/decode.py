"""Decodes and resizes the images of a folder with Pillow, once for every line of input; answers with the seconds it took.

Usage: decode.py FOLDER SIDE
"""

import sys
import time
from pathlib import Path

import PIL
from PIL import Image

folder, side = sys.argv[1], int(sys.argv[2])
files = [path.read_bytes() for path in sorted(Path(folder).iterdir())]


def once():
    from io import BytesIO

    for encoded in files:
        image = Image.open(BytesIO(encoded)).convert("RGB")
        image.resize((side, side), Image.Resampling.BICUBIC).tobytes()


print(f"Pillow {PIL.__version__}", flush=True)
for _ in sys.stdin:
    start = time.perf_counter()
    once()
    print(time.perf_counter() - start, flush=True)
