"""The loss of clips that have several captions each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from clap_sb.data.pairs import caption_key


def first_caption_loss(
    objective: Callable[..., torch.Tensor],
    audio: torch.Tensor,
    text: torch.Tensor,
    logit_scale: torch.Tensor,
    captions: Sequence[str],
    caption_clip: torch.Tensor,
) -> torch.Tensor:
    """Loss of the clips against the first caption of each.

    Arguments
    ---------
    objective : callable
        As in training.
    audio : torch.Tensor
        ``[clips, joint_dim]``, unit norm.
    text : torch.Tensor
        ``[captions, joint_dim]``, unit norm.
    logit_scale : torch.Tensor
        Scale.
    captions : sequence of str
        All captions.
    caption_clip : torch.Tensor
        ``[captions]``, the clip of each.

    Returns
    -------
    torch.Tensor
        Scalar; NaN without clips (none of a batch's files could be read).

    Example
    -------
    >>> from clap_sb.objectives.info_nce import InfoNCE
    >>> unit = torch.eye(2)
    >>> owner = torch.tensor([0, 0, 1])
    >>> loss = first_caption_loss(
    ...     InfoNCE(), unit, unit[owner], torch.tensor(9.0), ["a", "b", "c"], owner
    ... )
    >>> bool(loss < 0.01)
    True
    """
    if not len(audio):
        return torch.tensor(float("nan"))
    owner = caption_clip.tolist()
    first = torch.tensor([owner.index(clip) for clip in range(len(audio))])
    chosen = [captions[i] for i in first.tolist()]
    keys = torch.tensor([caption_key(caption) for caption in chosen])
    return objective(audio, text[first], logit_scale, None, keys)
