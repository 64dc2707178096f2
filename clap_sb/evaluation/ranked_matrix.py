"""Retrieval from matrices of similarities, where these are not those of embeddings."""

from __future__ import annotations

import torch
from torch import Tensor

from clap_sb.evaluation.caption_clip import check_clips, position_within_clip
from clap_sb.evaluation.retrieval import Retrieval
from clap_sb.evaluation.similarity import TIE_TOLERANCE


@torch.no_grad()
def rank_matrix(
    text_to_audio: Tensor, caption_clip: Tensor, audio_to_text: Tensor | None = None
) -> Retrieval:
    """Ranks by given similarities, with the rules of :func:`retrieval`.

    It holds the whole matrix, and serves what changes similarities after the fact
    (:mod:`clap_sb.evaluation.rescoring`), each direction in a way of its own.

    Arguments
    ---------
    text_to_audio : torch.Tensor
        Of captions as queries, to clips ``[num_captions, num_clips]``.
    caption_clip : torch.Tensor
        Index of the clip of each caption ``[num_captions]``.
    audio_to_text : torch.Tensor, optional
        Of clips as queries, to captions ``[num_clips, num_captions]``; the same
        similarities unless given.

    Returns
    -------
    Retrieval

    Raises
    ------
    ValueError
        If shapes do not fit, a number is not finite, or a clip has no caption.

    Example
    -------
    >>> similarity = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.3, 0.4]])
    >>> result = rank_matrix(similarity, torch.tensor([0, 0, 1]))
    >>> result.text_to_audio_ranks.tolist(), result.audio_to_text_ranks.tolist()
    ([0, 0, 0], [0, 1, 0])
    """
    num_captions, num_clips = text_to_audio.shape
    if audio_to_text is None:
        audio_to_text = text_to_audio.T
    _check("text_to_audio", text_to_audio, (num_captions, num_clips))
    _check("audio_to_text", audio_to_text, (num_clips, num_captions))
    check_clips(caption_clip, num_clips, num_captions)
    clip = caption_clip.to(text_to_audio.device, torch.int64)
    caption = torch.arange(num_captions, device=clip.device)

    t2a = text_to_audio.double()
    own = t2a[caption, clip]
    rival_clips = (t2a >= own[:, None] - TIE_TOLERANCE).sum(1) - 1

    a2t = audio_to_text.double()
    own = a2t[clip, caption]
    as_close = a2t[clip] >= own[:, None] - TIE_TOLERANCE
    rival_captions = (as_close & (clip[:, None] != clip)).sum(1)
    return Retrieval(
        text_to_audio_ranks=rival_clips.cpu(),
        audio_to_text_ranks=(rival_captions + position_within_clip(clip, -own)).cpu(),
        caption_clip=clip.cpu(),
    )


def _check(name: str, matrix: Tensor, shape: tuple[int, int]) -> None:
    if matrix.shape != shape or not matrix.isfinite().all():
        raise ValueError(
            f"{name}: expected finite similarities {list(shape)}, got shape "
            f"{list(matrix.shape)}"
        )
