"""The model of an index: whose embeddings it holds, and whether another fits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from clap_sb.inference.fingerprint import fingerprint, signature
from clap_sb.search.errors import SearchError
from clap_sb.search.records import ModelFacts
from clap_sb.search.store import Store

if TYPE_CHECKING:
    import numpy as np
    import torch

    from clap_sb.inference import CLAP


def describe_model(clap: CLAP, checkpoint: str, tokenizer: str | None) -> ModelFacts:
    """Notes what an index has to know of its model.

    Arguments
    ---------
    clap : CLAP
        The model.
    checkpoint : str
        Where it was loaded from.
    tokenizer : str or None
        The tokenizer that was given beside it.

    Returns
    -------
    ModelFacts
    """
    probe = clap.encode_audio([_silence(clap)], clap.sample_rate)
    return ModelFacts(
        fingerprint=fingerprint(clap),
        description=clap.description,
        checkpoint=_full_name(checkpoint),
        tokenizer=None if tokenizer is None else _full_name(tokenizer),
        signature=signature(checkpoint),
        dim=probe.shape[1],
        sample_rate=clap.sample_rate,
        clip_samples=clap.model.clip_samples,
    )


def _silence(clap: CLAP) -> torch.Tensor:
    import torch

    return torch.zeros(clap.model.clip_samples)


def _full_name(source: str) -> str:
    """A path from anywhere; a name on the hub stays as it is."""
    return str(Path(source).resolve()) if Path(source).exists() else source


def check_model(store: Store, clap: CLAP) -> None:
    """Sees that a model is the one of an index.

    Arguments
    ---------
    store : Store
        The index.
    clap : CLAP
        The model.

    Raises
    ------
    SearchError
        If it is another one: its embeddings cannot be compared.
    """
    model, given = store.model, fingerprint(clap)
    if given != model.fingerprint:
        raise SearchError(
            f"{store.folder} holds embeddings of another model: of "
            f"{model.description or 'a model'} (fingerprint {model.fingerprint[:8]}), "
            f"loaded from {model.checkpoint}, not of "
            f"{clap.description or 'this one'} (fingerprint {given[:8]}). Give the "
            "checkpoint that it was made with, or make a new index by `clap-sb index` "
            "with another --out"
        )


def encoder(clap: CLAP, batch_size: int) -> Callable[[list[torch.Tensor]], np.ndarray]:
    """Makes a function of a model's audio side.

    Arguments
    ---------
    clap : CLAP
        The model.
    batch_size : int
        Windows that go through the tower at once.

    Returns
    -------
    callable
        Waveforms at the model's sample rate to embeddings ``[windows, dim]``.
    """

    def encode(wavs: list[torch.Tensor]) -> np.ndarray:
        return clap.encode_audio(wavs, clap.sample_rate, batch_size).numpy()

    return encode
