"""Clips whose embeddings are not finite: without them, named, and not too many."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from clap_sb.data.printable import printable
from clap_sb.ranks import largest_of_ranks

if TYPE_CHECKING:
    from clap_sb.evaluation.embedding import Embedded

_MOST_NAMED = 5


def finite_clips(embedded: Embedded) -> Embedded:
    """All but the clips whose embedding, or one of whose captions', is not finite.

    A model that has diverged, or overflows in another precision, gives such ones; no
    score can be computed with them.

    Arguments
    ---------
    embedded : Embedded
        Clips, and captions where they have some.

    Returns
    -------
    Embedded
        The others; those that are left out are among the ``unreadable``, with the
        reason, and ``not_finite``.

    Example
    -------
    >>> import torch
    >>> from clap_sb.data.manifest import Clip
    >>> from clap_sb.evaluation.embedding import Embedded
    >>> clips = [Clip(name, f"{name}.wav", 1.0) for name in "xy"]
    >>> rows = torch.tensor([[1.0, 0.0], [torch.nan, 0.0]])
    >>> found = finite_clips(Embedded(clips, rows))
    >>> len(found.audio), found.unreadable
    (1, {'y': "y.wav: the model's embedding of it is not finite"})
    """
    why: dict[int, str] = {}
    for place in (~embedded.audio.isfinite().all(1)).nonzero().flatten().tolist():
        why[place] = "the model's embedding of it is not finite"
    for row in (~embedded.text.isfinite().all(1)).nonzero().flatten().tolist():
        told = f"the model's embedding of its caption {embedded.captions[row]!r}"
        why.setdefault(int(embedded.caption_clip[row]), f"{told} is not finite")
    if not why:
        return embedded
    clips = embedded.clips
    kept = embedded.part([clip for i, clip in enumerate(clips) if i not in why])
    spoilt = {clips[i].id: f"{clips[i].path}: {why[i]}" for i in why}
    return replace(
        kept,
        unreadable={**embedded.unreadable, **spoilt},
        silent=[name for name in embedded.silent if name not in spoilt],
        not_finite=[*embedded.not_finite, *spoilt],
    )


def check_finite(embedded: Embedded, patience: int, epoch: int) -> None:
    """Raises where a validation goes without too many clips: the fewer, the easier.

    Arguments
    ---------
    embedded : Embedded
        Of the validation clips.
    patience : int
        Clips whose embeddings may not be finite.
    epoch : int
        For the message.

    Raises
    ------
    ValueError
        If there are more of them, on whatever rank.

    Example
    -------
    >>> import torch
    >>> from clap_sb.evaluation.embedding import Embedded
    >>> embedded = Embedded([], torch.zeros(0, 2), not_finite=["a", "b"])
    >>> check_finite(embedded, patience=2, epoch=1)
    """
    found = embedded.not_finite
    if largest_of_ranks(len(found)) <= patience:
        return
    shown = ", ".join(found[:_MOST_NAMED])
    if len(found) > _MOST_NAMED:
        shown += f" and {len(found) - _MOST_NAMED} more"
    raise ValueError(
        f"epoch {epoch}: the embeddings of {len(found)} of "
        f"{len(found) + len(embedded.clips)} validation clips are not finite "
        f"({printable(shown)}), and nonfinite_patience allows {patience}: the model "
        "has diverged, or overflows in this precision. The same command goes on from "
        "the last checkpoint: lower the learning rates, or train in another precision"
    )
