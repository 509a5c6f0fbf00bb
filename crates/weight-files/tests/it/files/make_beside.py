"""Makes the files of `beside/` with PyTorch 2: what programs store beside the weights, and tensors of forms that are not
read. Run it where PyTorch and NumPy are installed: python make_beside.py"""

import argparse
import collections
import datetime
import decimal
import enum
import fractions
import functools
import pathlib
import pickle
import uuid

import numpy
import torch

HERE = pathlib.Path(__file__).parent / "beside"
WEIGHTS = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.tensor([0.5, -1.0, 2.0])}


class Colour(enum.Enum):
    RED = 1


class Settings(dict):
    """As the configuration libraries have them."""


class Weights(collections.OrderedDict):
    """A dictionary of weights with a name of its own."""


class Frozen:
    __slots__ = ("rate", "steps")

    def __init__(self):
        self.rate, self.steps = 0.5, [1, 2]


class WithArguments:
    def __new__(cls, *, rate):
        return super().__new__(cls)

    def __getnewargs_ex__(self):
        return (), {"rate": 0.1}


class Marked(torch.Tensor):
    """A tensor with something added."""


def scheduler():
    linear = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(linear.parameters())
    linear(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)


itself = []
itself.append(itself)
optimizer, schedule = scheduler()
beside = {
    "array": numpy.arange(5),
    "bytes": bytes(range(256)),
    "bytearray": bytearray(b"abc"),
    "class": argparse.Namespace,
    "complex": 1 + 2j,
    "counter": collections.Counter("abca"),
    "date": datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc),
    "decimal": decimal.Decimal("0.1"),
    "default": collections.defaultdict(list, {"a": [1]}),
    "deque": collections.deque([1, 2], maxlen=3),
    "device": torch.device("cpu"),
    "dtype": torch.float16,
    "ellipsis": ...,
    "enum": Colour.RED,
    "fraction": fractions.Fraction(1, 3),
    "frozen": Frozen(),
    "frozenset": frozenset([1, 2]),
    "function": scheduler,
    "generator": numpy.random.default_rng(0),
    "huge": 1 << 5000,
    "itself": itself,
    "module": torch.nn.Sequential(torch.nn.Linear(2, 2)),
    "namespace": argparse.Namespace(out=pathlib.PurePosixPath("a/b"), rate=1e-4),
    "new": WithArguments(rate=0.1),
    "optimizer": optimizer,
    "partial": functools.partial(print, "harmless"),
    "path": pathlib.PurePosixPath("a/b"),
    "random": torch.get_rng_state(),
    "range": range(3),
    "scalar": numpy.float64(0.25),
    "schedule": schedule,
    "set": {1, "two", (3, 4)},
    "settings": Settings(rate=0.1, inner=Settings()),
    "size": torch.Size([2, 3]),
    "structured": numpy.zeros(2, dtype=[("a", "f4"), ("b", "i8")]),
    "surrogate": "\ud800",
    "text": numpy.array(["a", "b"], dtype=object),
    "uuid": uuid.UUID(int=1),
}
torch.save({"model": WEIGHTS, **beside}, HERE / "data.pth")
for protocol in [3, 4, 5]:
    torch.save({"model": WEIGHTS, **beside}, HERE / f"data_{protocol}.pth", pickle_protocol=protocol)
torch.save({"model": WEIGHTS, **beside}, HERE / "data_legacy.pth", _use_new_zipfile_serialization=False)
torch.save(
    {"model": WEIGHTS, **beside},
    HERE / "data_legacy_4.pth",
    _use_new_zipfile_serialization=False,
    pickle_protocol=4,
)
torch.save({**WEIGHTS, **{name: value for name, value in beside.items() if name != "random"}}, HERE / "data_among.pth")

unread = {
    "complex": torch.tensor([1 + 2j]),
    "float8": torch.ones(4).to(torch.float8_e4m3fn),
    "float8_other": torch.ones(4).to(torch.float8_e5m2),
    "meta": torch.empty(2, device="meta"),
    "negated": torch.tensor([1 + 2j]).conj().imag,
    "nested": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
    "quantised": torch.quantize_per_tensor(torch.ones(4), 0.1, 0, torch.qint8),
    "quantised_rows": torch.quantize_per_channel(
        torch.ones(2, 2), torch.tensor([0.1, 0.2]), torch.tensor([0, 0]), 0, torch.qint8
    ),
    "sparse": torch.eye(3).to_sparse(),
    "sparse_rows": torch.eye(3).to_sparse_csr(),
}
read = {
    "marked": torch.tensor([3.0, 4.0]).as_subclass(Marked),
    "parameter": torch.nn.Parameter(torch.tensor([7.0])),
    "unsigned": torch.tensor([1, 2], dtype=torch.uint16),
}
read["marked"].note = "added"
read["parameter"].note = "added"
torch.save({"state_dict": {**WEIGHTS, **read, **unread}}, HERE / "unread.pth")
torch.save({"module." + name: value for name, value in {**WEIGHTS, **unread}.items()}, HERE / "unread_parallel.pth")
old = {name: value for name, value in unread.items() if name not in ["negated"]}
torch.save({**old, **WEIGHTS}, HERE / "unread_legacy.pth", _use_new_zipfile_serialization=False)

torch.save({"model": Weights(WEIGHTS), "epoch": 1}, HERE / "subclass.pth")
torch.save({"_orig_mod.module." + name: value for name, value in WEIGHTS.items()}, HERE / "compiled.pth")
torch.save({"model": torch.nn.Linear(3, 2), "epoch": 1}, HERE / "module_as_model.pth")
(HERE / "plain.pkl").write_bytes(pickle.dumps({"weight": numpy.ones(2)}))
