"""Labels for a sound that was sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from clap_sb.evaluation.zero_shot import prompt
from clap_sb.search.errors import SearchError
from clap_sb.serve.examples import Sent
from clap_sb.serve.fair_lock import FairLock
from clap_sb.serve.listening import embedding_of

if TYPE_CHECKING:
    from clap_sb.inference import CLAP

_MOST_LABELS = 500
_LABELS_AT_ONCE = 64


def tags_of(
    clap: CLAP, sent: Sent, labels: Sequence[str], lock: FairLock
) -> list[dict[str, Any]]:
    """Compares a sound, or a picture, with labels.

    Arguments
    ---------
    clap : CLAP
        The model.
    sent : Sent
        The file.
    labels : sequence of str
        Any words.
    lock : FairLock
        Taken for each batch alone, of sounds and of words.

    Returns
    -------
    list of dict
        ``label`` and ``probability``, the best first: among these labels, or, where the
        model's logits have a bias, each on its own.

    Raises
    ------
    SearchError
        If there are no labels, or very many.
    AudioError
        If the sound cannot be used.
    UploadRefused
        If it is too long.
    """
    # heavy: a command line that is wrong does not wait for it
    import torch

    labels = list(dict.fromkeys(label.strip() for label in labels if label.strip()))
    if not 1 <= len(labels) <= _MOST_LABELS:
        raise SearchError(f"give 1 to {_MOST_LABELS} labels, separated by commas")
    embedding, texts = embedding_of(clap, sent, lock), []
    for start in range(0, len(labels), _LABELS_AT_ONCE):
        group = labels[start : start + _LABELS_AT_ONCE]
        with lock:
            texts.append(clap.encode_text([prompt(label) for label in group]))
    shares = clap.log_probability(embedding, torch.cat(texts))[0].exp().numpy()
    return [
        {"label": labels[place], "probability": float(shares[place])}
        for place in np.argsort(-shares, kind="stable")
    ]
