"""Imports what all models of transformers take, but for torchaudio."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any


class _ImportedWhenUsed(ModuleType):
    """Stands where a module is named, and imports it when something of it is used."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def import_without_torchaudio() -> None:
    """Imports what all models of transformers begin with; to be called before one is.

    transformers imports torchaudio with any model if it finds it, since it can resample
    with it. That takes a while, and where the torchaudio that is installed was not
    built for this torch, it ends in ``OSError: Could not load this library``. After
    this, transformers imports torchaudio when it resamples with it, and a process in
    which torchaudio is imported already is left as it is.

    Example
    -------
    >>> import_without_torchaudio()
    >>> from transformers import RobertaModel
    """
    if "torchaudio" in sys.modules:
        return
    spec = importlib.util.find_spec("torchaudio")
    if spec is None:
        return
    stand_in = _ImportedWhenUsed("torchaudio")
    # what inspect and importlib ask of each module is told without an import
    stand_in.__spec__, stand_in.__file__ = spec, spec.origin
    sys.modules["torchaudio"] = stand_in
    try:
        importlib.import_module("transformers.modeling_utils")
        importlib.import_module("transformers.processing_utils")
    finally:
        if sys.modules.get("torchaudio") is stand_in:
            del sys.modules["torchaudio"]
