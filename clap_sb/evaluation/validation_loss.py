"""The loss of a validation set, over as many pairs as a loss of training."""

from __future__ import annotations

from collections.abc import Callable

import torch

from clap_sb.clips import window_starts
from clap_sb.data.keys import generator_for
from clap_sb.data.pairs import caption_key, clip_key
from clap_sb.evaluation.embedding import Embedded
from clap_sb.objectives.logit_scale import LogitScale


@torch.no_grad()
def validation_loss(
    objective: Callable[..., torch.Tensor],
    embedded: Embedded,
    logit_scale: LogitScale,
    clips: int,
    captions: int = 1,
) -> float:
    """Mean loss of blocks of validation clips, to be compared with that of training.

    A contrastive loss grows with the number of pairs that it goes over (a model that
    knows nothing has the logarithm of it), so a block has as many clips as a training
    batch of all ranks. The clips are shuffled, in the same order every time: neighbours
    in a set are often of one class, or of one recording. The last block ends with the
    last clip, and shares some with the one before it. A set of fewer clips is one
    block, whose loss is lower than that of training for this reason alone.

    Arguments
    ---------
    objective : callable
        As in training.
    embedded : Embedded
        All clips, with their captions.
    logit_scale : LogitScale
        The model's; the loss is computed where it is.
    clips : int
        Clips in a block.
    captions : int
        Captions that are taken of each, the first ones.

    Returns
    -------
    float
        NaN without captions.

    Example
    -------
    >>> from clap_sb.data.manifest import Clip
    >>> from clap_sb.objectives.info_nce import InfoNCE
    >>> from clap_sb.objectives.logit_scale import LogitScale
    >>> sounds = [Clip(name, f"{name}.wav", 1.0, ("a", "b")) for name in "xy"]
    >>> unit, owner = torch.eye(2), torch.tensor([0, 0, 1])
    >>> embedded = Embedded(sounds, unit, ["a", "b", "c"], unit[owner], owner)
    >>> validation_loss(InfoNCE(), embedded, LogitScale(0.1), clips=64) < 0.01
    True
    """
    owner = embedded.caption_clip
    rows_of = [[] for _ in embedded.clips]
    for row, clip in enumerate(owner.tolist()):
        rows_of[clip].append(row)
    clip_keys = torch.tensor([clip_key(c.id, c.label) for c in embedded.clips])
    caption_keys = torch.tensor([caption_key(text) for text in embedded.captions])
    generator = generator_for("order of the validation loss")
    order = torch.randperm(len(rows_of), generator=generator).tolist()
    losses = []
    for start in window_starts(len(order), clips):
        drawn = order[start : start + clips]
        rows = torch.tensor(
            [row for clip in drawn for row in rows_of[clip][:captions]],
            dtype=torch.int64,
        )
        audio, text, *keys = (
            part.to(logit_scale.log_scale.device)
            for part in (
                embedded.audio[owner[rows]],
                embedded.text[rows],
                clip_keys[owner[rows]],
                caption_keys[rows],
            )
        )
        loss = objective(audio, text, logit_scale, *keys)
        losses.append(float(loss))
    return sum(losses) / len(losses)
