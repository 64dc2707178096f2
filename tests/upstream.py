"""Audio towers of the peers' wheels, which ``make parity`` installs.

The packages themselves reach for the network when they are imported, and ask for
packages that their models do not use: only the modules of the models are loaded.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types

import pytest
import torch

# what the modules import without a use for it here, and what of it they name
_UNUSED = {
    "torchvision": ("torchvision", "torchvision.ops", "torchvision.ops.misc"),
    "h5py": ("h5py",),
}
LAION = types.SimpleNamespace(
    mel_bins=64,
    sample_rate=48000,
    window_size=1024,
    hop_size=480,
    fmin=50,
    fmax=14000,
    class_num=527,
    audio_length=1024,
    clip_samples=480000,
)


def module(name: str):
    """A module of a peer, without the ``__init__`` of the packages above it."""
    if name in sys.modules:
        return sys.modules[name]
    package, *inner = name.split(".")[:-1]
    found = importlib.util.find_spec(package)
    if found is None:
        pytest.skip(f"{package} is not installed: run make parity")
    path = found.submodule_search_locations[0]
    _stand_in(package, path)
    for part in inner:
        package, path = f"{package}.{part}", f"{path}/{part}"
        _stand_in(package, path)
    absent = [name for name in _UNUSED if importlib.util.find_spec(name) is None]
    stubs = [stub for name in absent for stub in _UNUSED[name]]
    for stub in stubs:
        _stand_in(stub, "").FrozenBatchNorm2d = torch.nn.Identity
    try:
        return importlib.import_module(name)
    finally:  # transformers would take them for the real ones
        for stub in stubs:
            del sys.modules[stub]


def _stand_in(package: str, path: str) -> types.ModuleType:
    stub = types.ModuleType(package)
    stub.__path__ = [path]
    stub.__spec__ = importlib.util.spec_from_loader(package, None)
    stub.__spec__.submodule_search_locations = [path]
    return sys.modules.setdefault(package, stub)


def laion_tower(kind: str, fusion: str | None) -> torch.nn.Module:
    """LAION-CLAP's HTSAT (``tiny``, ``base``) or ``Cnn14``."""
    options = {"enable_fusion": fusion is not None, "fusion_type": fusion or "None"}
    config = types.SimpleNamespace(**vars(LAION), model_name=kind)
    if kind == "Cnn14":
        create = module("laion_clap.clap_module.pann_model").create_pann_model
    else:
        create = module("laion_clap.clap_module.htsat").create_htsat_model
    return create(config, **options).eval()


def microsoft_tower(year: int) -> torch.nn.Module:
    """MS-CLAP's audio encoder with its projection."""
    create = module("msclap.models.clap").AudioEncoder
    name, width = {2022: ("Cnn14", 2048), 2023: ("HTSAT", 768)}[year]
    return create(name, width, 1024, 44100, 1024, 320, 64, 50, 14000, 527).eval()
