"""The model of an index: whose embeddings it holds, and whether another fits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from clap_sb.inference.model_fingerprint import (
    fingerprint,
    signature,
    tokenizer_fingerprint,
)
from clap_sb.search.errors import SearchError
from clap_sb.search.records import ModelFacts
from clap_sb.search.store import Store

if TYPE_CHECKING:
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
        signature=signature(checkpoint, tokenizer),
        dim=probe.shape[1],
        sample_rate=clap.sample_rate,
        clip_samples=clap.model.clip_samples,
        tokenizer_fingerprint=tokenizer_fingerprint(clap),
    )


def sources(
    model: ModelFacts, checkpoint: str | None, tokenizer: str | None
) -> tuple[str, str | None]:
    """Completes what a user says on where an index's model is.

    Arguments
    ---------
    model : ModelFacts
        What was noted.
    checkpoint : str or None
        Where it is; where it was noted, unless given.
    tokenizer : str or None
        The tokenizer beside it; the one that was noted with this checkpoint, unless
        given.

    Returns
    -------
    checkpoint : str
    tokenizer : str or None

    Example
    -------
    >>> facts = ModelFacts("f00d", "a model", "model.pt", "words", "", 2, 10, 20)
    >>> sources(facts, None, None), sources(facts, "other.pt", None)
    (('model.pt', 'words'), ('other.pt', None))
    """
    checkpoint = checkpoint or model.checkpoint
    if _full_name(checkpoint) == model.checkpoint:
        tokenizer = tokenizer or model.tokenizer
    return checkpoint, tokenizer


def located(
    model: ModelFacts, clap: CLAP, checkpoint: str, tokenizer: str | None
) -> ModelFacts:
    """Notes where an index's model is now.

    Arguments
    ---------
    model : ModelFacts
        What was noted.
    clap : CLAP
        The same model, as :func:`check_model` has seen.
    checkpoint : str
        Where it was loaded from.
    tokenizer : str or None
        The tokenizer that was given beside it.

    Returns
    -------
    ModelFacts
        Equal to what was noted if nothing is new.
    """
    words = tokenizer_fingerprint(clap)
    if tokenizer is not None:
        tokenizer = _full_name(tokenizer)
    elif not words:  # who searches will want the one that is known
        tokenizer = model.tokenizer
    return replace(
        model,
        checkpoint=_full_name(checkpoint),
        tokenizer=tokenizer,
        signature=signature(checkpoint, tokenizer),
        tokenizer_fingerprint=model.tokenizer_fingerprint or words,
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
        If it is another one, or has another tokenizer: its embeddings cannot be
        compared.
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
    tokenizer = tokenizer_fingerprint(clap)
    if tokenizer and model.tokenizer_fingerprint not in ("", tokenizer):
        raise SearchError(
            f"{store.folder} was made with another tokenizer "
            f"(fingerprint {model.tokenizer_fingerprint[:8]}) than this one "
            f"(fingerprint {tokenizer[:8]}): words would be taken for others. Give the "
            "--tokenizer that it was made with"
            f"{f', {model.tokenizer}' if model.tokenizer else ', or none'}"
        )
