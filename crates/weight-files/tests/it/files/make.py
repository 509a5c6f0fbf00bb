"""Makes the files here with PyTorch 2; run it where PyTorch is installed: python make.py"""

import json
import struct
import zipfile
from pathlib import Path

import torch

HERE = Path(__file__).parent
DTYPES = {
    torch.float32: "F32",
    torch.float64: "F64",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.bool: "BOOL",
}

torch.manual_seed(0)
matrix = torch.randn(3, 4)
tied = torch.randn(5, 2)
state_dict = {
    "matrix": matrix,
    "double": torch.randn(2, dtype=torch.float64),
    "half": torch.randn(2, 2).half(),
    "brain": torch.randn(3).bfloat16(),
    "scalar": torch.tensor(0.25),
    "empty": torch.zeros(0, 3),
    "turned": torch.randn(3, 2).t(),
    "column": matrix[:, 1],
    "rows": matrix[1:],
    "first": tied,
    "second": tied,
    "expanded": torch.tensor([1.0, 2.0]).expand(3, 2),
    "parameter": torch.nn.Parameter(torch.randn(2)),
    "num_batches_tracked": torch.tensor(7),
    "flags": torch.tensor([True, False, True]),
    "ids": torch.arange(4).expand(1, -1),
}

expected = {
    name: {
        "dtype": DTYPES[tensor.dtype],
        "shape": list(tensor.shape),
        "values": tensor.detach().double().flatten().tolist() if tensor.is_floating_point() else None,
    }
    for name, tensor in state_dict.items()
}
(HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")

torch.save(state_dict, HERE / "state_dict.pth")
torch.save(state_dict, HERE / "legacy.pth", _use_new_zipfile_serialization=False)
torch.save(state_dict, HERE / "protocol4.pth", pickle_protocol=4)

# As a training program saves it.
model = torch.nn.DataParallel(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)))
optimizer = torch.optim.AdamW(model.parameters())
model(torch.randn(4, 2)).sum().backward()
optimizer.step()
torch.save(
    {"epoch": 3, "config": {"lr": 1e-4}, "optimizer": optimizer.state_dict(), "state_dict": model.state_dict()},
    HERE / "training.pth",
)
# A whole module, which is no state dict.
torch.save(model.module, HERE / "module.pth")

# A pickle whose tensors fit into four storages of 64 bytes.
small = {"weight": torch.randn(2, 3), "bias": torch.randn(3), "steps": torch.tensor(1)}
small["tied"] = small["weight"].t()
torch.save({"model": small, "epoch": 1}, HERE / "small.pth")
with zipfile.ZipFile(HERE / "small.pth") as archive:
    (HERE / "state_dict.pkl").write_bytes(archive.read("small/data.pkl"))
(HERE / "small.pth").unlink()

header, data = {"__metadata__": {"format": "pt"}}, b""
for name, tensor in small.items():
    start = len(data)
    data += tensor.contiguous().numpy().tobytes()
    header[name] = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, len(data)]}
header = json.dumps(header).encode()
(HERE / "state_dict.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + data)
