"""What a user watches: matching pairs rise above the others."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)

NAMES = ("matching_similarity", "other_similarity", "in_batch_accuracy")


@register_checkpoint_hooks
class PairStatistics:
    """Running means over an epoch's batches; those that are not finite do not count.

    ``matching_similarity``
        mean cosine of a clip and its caption;
    ``other_similarity``
        mean cosine of the pairs that count as negatives;
    ``in_batch_accuracy``
        percent of clips whose own caption is the most similar one of the batch that
        is not ignored, and of captions likewise, averaged.

    Part of the checkpoint, so that an epoch that was interrupted reports all of it.

    Example
    -------
    >>> statistics = PairStatistics()
    >>> statistics.update(torch.eye(3), torch.eye(3), None)
    >>> statistics.summary()["in_batch_accuracy"]
    100.0
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Starts a new epoch."""
        self._sums = torch.zeros(len(NAMES), dtype=torch.float64)
        self._batches = torch.zeros((), dtype=torch.int64)

    @torch.no_grad()
    def update(
        self, audio: torch.Tensor, text: torch.Tensor, ignored: torch.Tensor | None
    ) -> None:
        """Adds a batch.

        Arguments
        ---------
        audio : torch.Tensor
            ``[batch, dim]``, unit norm.
        text : torch.Tensor
            ``[batch, dim]``, unit norm.
        ignored : torch.Tensor or None
            ``[batch, batch]``, pairs that are no negatives.
        """
        with torch.autocast(device_type=audio.device.type, enabled=False):
            similarity = audio.float() @ text.float().T
        size = len(similarity)
        matching = torch.eye(size, dtype=torch.bool, device=similarity.device)
        others = ~matching if ignored is None else ~(matching | ignored)
        if ignored is not None:
            similarity = similarity.masked_fill(ignored, -1.0)
        target = torch.arange(size, device=similarity.device)
        right = (similarity.argmax(1) == target).double().mean()
        right += (similarity.argmax(0) == target).double().mean()
        other = (similarity * others).double().sum() / others.sum().clamp(min=1)
        means = torch.stack(
            [similarity.diagonal().double().mean(), other, 50.0 * right]
        )
        finite = means.isfinite().all()  # of others, the step is left out, too
        means = torch.where(finite, means, torch.zeros_like(means))
        self._sums = self._sums.to(similarity.device) + means
        self._batches = self._batches + finite.long()

    def summary(self) -> dict[str, float]:
        """Means over the batches so far.

        Returns
        -------
        dict
            The three names of the class; empty before the first batch.
        """
        if not int(self._batches):
            return {}
        means = (self._sums / self._batches).tolist()
        return dict(zip(NAMES, means, strict=True))

    @mark_as_saver
    def save(self, path: str | Path) -> None:
        """Writes the sums."""
        state = {"sums": self._sums.tolist(), "batches": int(self._batches)}
        Path(path).write_text(json.dumps(state), encoding="utf-8")

    @mark_as_loader
    def load(self, path: str | Path, end_of_epoch: bool) -> None:
        """Reads the sums of an epoch that was interrupted."""
        if end_of_epoch:
            return
        state = json.loads(Path(path).read_text(encoding="utf-8"))
        self._sums = torch.tensor(state["sums"], dtype=torch.float64)
        self._batches = torch.tensor(state["batches"])
