"""Whether the right caption is preferred to one that is wrong in one attribute."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from clap_sb.evaluation.similarity import (
    TIE_TOLERANCE,
    check_embeddings,
    paired_similarity,
)


def attribute_pairs(
    audio: Tensor, right: Tensor, foil: Tensor, attributes: Sequence[str]
) -> dict[str, float | dict[str, float]]:
    """Share of pairs in which the right caption is closer to the clip.

    Guessing gives 50 %; a model that hears the event but not the attribute gives
    no more. A tie (within 1e-6) counts as wrong.

    Arguments
    ---------
    audio : torch.Tensor
        Unit-norm embeddings of the clips ``[num_pairs, dim]``.
    right : torch.Tensor
        Unit-norm embeddings of the right captions ``[num_pairs, dim]``.
    foil : torch.Tensor
        Unit-norm embeddings of the captions with one attribute wrong
        ``[num_pairs, dim]``.
    attributes : sequence of str
        The attribute that each pair differs in, e.g. ``"pitch"``.

    Returns
    -------
    dict
        ``attribute_accuracy`` in percent, ``num_pairs``, and
        ``attribute_accuracies``: percent by attribute.

    Raises
    ------
    ValueError
        If embeddings are not finite or not of unit norm, or numbers differ.

    Example
    -------
    >>> clips = torch.eye(2)
    >>> scores = attribute_pairs(clips, clips, clips.flip(0), ["pitch", "speed"])
    >>> scores["attribute_accuracy"], scores["num_pairs"]
    (100.0, 2)
    """
    preferred = prefers_right(audio, right, foil).double().cpu()
    if len(attributes) != len(preferred):
        raise ValueError(
            f"there are {len(preferred)} pairs, but {len(attributes)} attributes; "
            "name one attribute a pair"
        )
    by_attribute = {
        attribute: 100 * preferred[[name == attribute for name in attributes]].mean()
        for attribute in sorted(set(attributes))
    }
    return {
        "attribute_accuracy": 100 * preferred.mean().item(),
        "num_pairs": len(preferred),
        "attribute_accuracies": {
            attribute: accuracy.item() for attribute, accuracy in by_attribute.items()
        },
    }


@torch.no_grad()
def prefers_right(audio: Tensor, right: Tensor, foil: Tensor) -> Tensor:
    """Tells for each pair whether the right caption is closer than the foil.

    Its result is what ``bootstrap_interval`` takes for an interval of the accuracy.

    Arguments
    ---------
    audio : torch.Tensor
        Unit-norm embeddings of the clips ``[num_pairs, dim]``.
    right : torch.Tensor
        Unit-norm embeddings of the right captions ``[num_pairs, dim]``.
    foil : torch.Tensor
        Unit-norm embeddings of the wrong captions ``[num_pairs, dim]``.

    Returns
    -------
    torch.Tensor
        True where the right caption is closer by more than 1e-6 ``[num_pairs]``.

    Raises
    ------
    ValueError
        If embeddings are not finite or not of unit norm, or numbers differ.

    Example
    -------
    >>> clips = torch.eye(2)
    >>> prefers_right(clips, clips, clips[[0, 0]]).tolist()
    [False, True]
    """
    check_embeddings(audio=audio, right=right, foil=foil)
    if not len(audio) == len(right) == len(foil):
        raise ValueError(
            f"{len(audio)} clips, {len(right)} right captions and {len(foil)} foils; "
            "each pair needs one of each"
        )
    margin = paired_similarity(audio, right) - paired_similarity(audio, foil)
    return margin > TIE_TOLERANCE
