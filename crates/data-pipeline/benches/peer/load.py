"""Loads the images of a folder with PyTorch's DataLoader, Pillow and two workers, once for every line of input; answers with
the seconds it took.

Usage: load.py FOLDER SIDE
"""

import sys
import time
from pathlib import Path

import numpy
import PIL
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

folder, side = sys.argv[1], int(sys.argv[2])


class Images(Dataset):
    def __init__(self):
        self.paths = sorted(Path(folder).iterdir())

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        image = Image.open(self.paths[index]).convert("RGB")
        image = image.resize((side, side), Image.Resampling.BICUBIC)
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
