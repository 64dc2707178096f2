"""Modules of the peers' wheels, which ``make parity`` installs.

The packages themselves reach for the network when they are imported, and ask for
packages that their models do not use: only the modules of the models are loaded.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
import types
from pathlib import Path

import pytest
import torch

# what the modules import without a use for it here, and what of it they name
_UNUSED = {
    "torchvision": ("torchvision", "torchvision.ops", "torchvision.ops.misc"),
    "h5py": ("h5py",),
}


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
    # transformers asks what is installed when a class of it is first named
    import transformers

    for text_class in ("AutoModel", "BartModel", "BertModel", "RobertaModel"):
        getattr(transformers, text_class)
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


def functions(name: str, wanted: tuple[str, ...], namespace: dict) -> dict:
    """Functions out of a module that cannot be imported, with the names they use."""
    package, *inner = name.split(".")
    found = importlib.util.find_spec(package)
    if found is None:
        pytest.skip(f"{package} is not installed: run make parity")
    path = Path(found.submodule_search_locations[0], *inner).with_suffix(".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tree.body = [part for part in tree.body if getattr(part, "name", "") in wanted]
    namespace = dict(namespace)
    exec(compile(tree, str(path), "exec"), namespace)
    return {function: namespace[function] for function in wanted}
