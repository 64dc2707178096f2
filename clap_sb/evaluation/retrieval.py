"""Retrieval between captions and clips, with any number of captions a clip."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from clap_sb.evaluation.bootstrap import bootstrap_interval
from clap_sb.evaluation.caption_clip import check_clips, position_within_clip
from clap_sb.evaluation.similarity import (
    TIE_TOLERANCE,
    check_embeddings,
    paired_similarity,
    precision,
    similarity,
)

_DEPTHS = (1, 5, 10)
_MAP_DEPTH = 10

# A tile of 1,024 x 1,024 similarities, with what is derived from it, is 30 MB.
_BLOCK_SIZE = 1024


@dataclass(frozen=True, eq=False)
class Retrieval:
    """Ranks of a retrieval in both directions, and the scores they give.

    Arguments
    ---------
    text_to_audio_ranks : torch.Tensor
        For each caption the 0-based rank of its clip among all clips
        ``[num_captions]``, on CPU.
    audio_to_text_ranks : torch.Tensor
        For each caption its own 0-based rank among all captions when its clip is
        the query ``[num_captions]``, on CPU.
    caption_clip : torch.Tensor
        Index of the clip of each caption ``[num_captions]``, on CPU.

    Example
    -------
    >>> ranks = torch.tensor([0, 1])
    >>> scores = Retrieval(ranks, ranks, torch.tensor([0, 1])).scores()
    >>> scores["t2a_recall_at_1"], scores["t2a_map_at_10"]
    (50.0, 75.0)
    """

    text_to_audio_ranks: Tensor
    audio_to_text_ranks: Tensor
    caption_clip: Tensor

    def scores(self, sort_ranks: bool = True) -> dict[str, float]:
        """Recall, mAP@10 (percent) and median rank (1-based) of both directions.

        With ``t2a`` each caption is a query with one right clip. With ``a2t`` each
        clip is a query: recall counts the best of its captions, and mAP@10 sorts
        the ranks of its captions, keeps those below 10 and takes the sum of
        ``i / (rank_i + 1)`` over the number of the clip's captions (all of them:
        with more than ten captions a clip, 100 % is out of reach).

        Arguments
        ---------
        sort_ranks : bool
            Whether ``a2t_map_at_10`` sorts the ranks of a clip's captions. LAION's
            script does not: i counts the captions in their order, so that the value
            is higher and can exceed 100 %.

        Returns
        -------
        dict
            ``t2a_recall_at_1``, ``_5``, ``_10``, ``t2a_map_at_10``,
            ``t2a_median_rank``, the same with ``a2t``, ``num_clips`` and
            ``num_captions``.
        """
        percent = {
            name: 100 * (numerator.sum() / denominator.sum()).item()
            for name, (numerator, denominator) in self._clip_parts(sort_ranks).items()
        }
        a2t = {name: percent.pop(name) for name in list(percent) if "a2t" in name}
        return {
            **percent,
            "t2a_median_rank": _median_rank(self.text_to_audio_ranks),
            **a2t,
            "a2t_median_rank": _median_rank(self._best_ranks()),
            "num_clips": len(self._num_captions()),
            "num_captions": len(self.caption_clip),
        }

    def intervals(
        self, seed: int, num_resamples: int = 1000, sort_ranks: bool = True
    ) -> dict[str, tuple[float, float]]:
        """Bootstrap 95 % intervals, in percent, of the scores in percent.

        Arguments
        ---------
        seed : int
            Seed of the resampling of clips.
        num_resamples : int
            Number of resamples.
        sort_ranks : bool
            See :meth:`scores`.

        Returns
        -------
        dict
            ``(low, high)`` under the names of ``scores``.
        """
        intervals = {}
        for name, (numerator, denominator) in self._clip_parts(sort_ranks).items():
            low, high = bootstrap_interval(numerator, denominator, seed, num_resamples)
            intervals[name] = (100 * low, 100 * high)
        return intervals

    def _clip_parts(self, sort_ranks: bool) -> dict[str, tuple[Tensor, Tensor]]:
        """What each clip adds to a score, and what it counts, for each score."""
        num_captions = self._num_captions().double()
        t2a, a2t, best = (
            self.text_to_audio_ranks,
            self.audio_to_text_ranks,
            self._best_ranks(),
        )
        parts = {}
        for depth in _DEPTHS:
            found = self._sum_by_clip(t2a < depth)
            parts[f"t2a_recall_at_{depth}"] = (found, num_captions)
        gain = (t2a < _MAP_DEPTH) / (t2a + 1.0)
        parts["t2a_map_at_10"] = (self._sum_by_clip(gain), num_captions)

        one = torch.ones_like(num_captions)
        for depth in _DEPTHS:
            parts[f"a2t_recall_at_{depth}"] = ((best < depth).double(), one)
        order = a2t if sort_ranks else (a2t >= _MAP_DEPTH).long()
        ordinal = position_within_clip(self.caption_clip, order) + 1
        gain = (a2t < _MAP_DEPTH) * ordinal / (a2t + 1.0)
        parts["a2t_map_at_10"] = (self._sum_by_clip(gain) / num_captions, one)
        return parts

    def _num_captions(self) -> Tensor:
        """Number of captions of each clip ``[num_clips]``."""
        return torch.bincount(self.caption_clip)

    def _sum_by_clip(self, values: Tensor) -> Tensor:
        """Sum of the captions' values for each clip ``[num_clips]``, float64."""
        return torch.bincount(self.caption_clip, weights=values.double())

    def _best_ranks(self) -> Tensor:
        """Best audio-to-text rank of each clip ``[num_clips]``."""
        ranks = self.audio_to_text_ranks
        best = torch.full_like(self._num_captions(), len(ranks))
        return best.scatter_reduce(0, self.caption_clip, ranks, "amin")


@torch.no_grad()
def retrieval(
    audio: Tensor,
    text: Tensor,
    caption_clip: Tensor,
    *,
    block_size: int = _BLOCK_SIZE,
) -> Retrieval:
    """Ranks clips for each caption, and captions for each clip.

    Similarities within 1e-6 of each other are ties, and a tie with another clip,
    or with a caption of another clip, counts against the model. Captions of the
    same clip do not compete: the i-th best of them (from 0) has rank i plus the
    number of other clips' captions that are at least as similar.

    Memory grows with the number of embeddings, not with that of their pairs: one
    tile of the similarity matrix exists at a time, on the device of the inputs.

    Arguments
    ---------
    audio : torch.Tensor
        Unit-norm embeddings of the clips ``[num_clips, dim]``.
    text : torch.Tensor
        Unit-norm embeddings of the captions ``[num_captions, dim]``.
    caption_clip : torch.Tensor
        Index of the clip of each caption ``[num_captions]``, in any order; each
        clip has at least one caption.
    block_size : int
        Side of a tile, in embeddings. It does not change the result.

    Returns
    -------
    Retrieval
        The ranks, with methods that give scores and intervals.

    Raises
    ------
    ValueError
        If embeddings are not finite or not of unit norm, if an index is out of
        range, or if a clip has no caption.

    Example
    -------
    >>> clips = torch.eye(3)
    >>> captions = clips[[0, 0, 1, 2]]
    >>> result = retrieval(clips, captions, torch.tensor([0, 0, 1, 2]))
    >>> result.text_to_audio_ranks.tolist(), result.audio_to_text_ranks.tolist()
    ([0, 0, 0, 0], [0, 1, 0, 0])
    """
    check_embeddings(audio=audio, text=text)
    check_clips(caption_clip, len(audio), len(text))
    clip = caption_clip.to(audio.device, torch.int64)
    # Filled in place: small results kept between large blocks fragment the heap.
    own = torch.empty_like(clip, dtype=precision(clip.device))
    for block in torch.arange(len(text), device=clip.device).split(block_size):
        own[block] = paired_similarity(audio[clip[block]], text[block])
    rival_clips, rival_captions = _num_rivals(audio, text, clip, own, block_size)
    return Retrieval(
        text_to_audio_ranks=rival_clips.cpu(),
        audio_to_text_ranks=(rival_captions + position_within_clip(clip, -own)).cpu(),
        caption_clip=clip.cpu(),
    )


def _num_rivals(
    audio: Tensor, text: Tensor, clip: Tensor, own: Tensor, block_size: int
) -> tuple[Tensor, Tensor]:
    """Counts what matches at least as well as a caption and its clip do.

    From the similarity ``own`` of each caption and its clip ``[num_captions]``: how
    many other clips are as close to the caption, and how many captions of other
    clips are as close to the clip, both ``[num_captions]``.
    """
    clips = torch.arange(len(audio), device=clip.device)
    captions = torch.arange(len(text), device=clip.device)
    threshold = own - TIE_TOLERANCE
    rival_clips, rival_captions = torch.zeros_like(clip), torch.zeros_like(clip)
    for rows in clips.split(block_size):
        row = clip - rows[0]
        of_rows = ((row >= 0) & (row < len(rows))).nonzero().flatten()
        for columns in captions.split(block_size):
            tile = similarity(audio[rows], text[columns])
            tile.masked_fill_(rows[:, None] == clip[columns], -torch.inf)
            as_close = tile >= threshold[columns]
            rival_clips[columns] += as_close.sum(dim=0, dtype=torch.int32)
            for queries in of_rows.split(block_size):
                as_close = tile[row[queries]] >= threshold[queries, None]
                rival_captions[queries] += as_close.sum(dim=1, dtype=torch.int32)
    return rival_clips, rival_captions


def _median_rank(ranks: Tensor) -> int:
    """1-based median of 0-based ranks, the half of an even count rounded down."""
    ordered, count = ranks.sort().values, len(ranks)
    return int(ordered[(count - 1) // 2] + ordered[count // 2]) // 2 + 1
