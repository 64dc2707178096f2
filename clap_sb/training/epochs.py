"""Epochs: how many, the best of them, the statistics and the history of each."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)
from speechbrain.utils.epoch_loop import EpochCounter
from speechbrain.utils.logger import get_logger

from clap_sb.whole_file import write_whole

logger = get_logger(__name__)

BEST_METRICS = tuple(
    f"{direction}_{score}"
    for direction in ("t2a", "a2t")
    for score in ("recall_at_1", "recall_at_5", "recall_at_10", "map_at_10")
)
"""Higher is better in each."""

LAST = "epoch"
"""Takes the place of a score where the last epoch's checkpoint is the one to keep."""


def check_best_metric(name: str, known: Sequence[str]) -> None:
    """Makes sure that a score can select the best checkpoint.

    Arguments
    ---------
    name : str
        Name of the score.
    known : sequence of str
        The scores that there are.

    Raises
    ------
    ValueError
        If it is none of them.

    Example
    -------
    >>> check_best_metric("t2a_recall_at_1", BEST_METRICS)
    """
    if name not in known:
        raise ValueError(
            f"best_metric {name!r} is not among the scores where higher is better: "
            f"{', '.join(known)}"
        )


@register_checkpoint_hooks
class PatientEpochCounter(EpochCounter):
    """An epoch counter that stops after some epochs without a better score.

    SpeechBrain's own (``EpochCounterWithStopper``, 1.1.2) takes an equal score for a
    better one, and forgets the best score when a run is resumed.

    Arguments
    ---------
    limit : int
        Epochs at most.
    patience : int
        Epochs without a better score before training stops; at least 1.
    min_epochs : int
        Epochs that patience is not counted in.

    Raises
    ------
    ValueError
        If patience is less than 1.

    Example
    -------
    >>> counter, seen = PatientEpochCounter(9, patience=2), []
    >>> for epoch in counter:
    ...     seen.append(epoch)
    ...     counter.update_metric([10.0, 20.0, 20.0, 15.0, 30.0][epoch - 1])
    >>> seen
    [1, 2, 3, 4]
    """

    def __init__(self, limit: int, patience: int, min_epochs: int = 0):
        super().__init__(limit)
        if patience < 1:
            raise ValueError(f"patience is {patience}; it must be at least one epoch")
        self.patience = patience
        self.min_epochs = min_epochs
        self.best_epoch = 0
        self.best_score = -math.inf

    def __next__(self) -> int:
        """The next epoch, from 1."""
        counted_from = max(self.best_epoch, self.min_epochs)
        if self.current - counted_from >= self.patience:
            raise StopIteration
        return super().__next__()

    def update_metric(self, score: float) -> None:
        """Takes the score of the epoch that has ended; higher is better.

        Arguments
        ---------
        score : float
            Score.
        """
        if score > self.best_score:
            self.best_score, self.best_epoch = score, self.current

    @mark_as_saver
    def _save(self, path: str | Path) -> None:
        state = (self.current, self.best_epoch, self.best_score)
        Path(path).write_text(json.dumps(state), encoding="utf-8")

    @mark_as_loader
    def _recover(self, path: str | Path, end_of_epoch: bool) -> None:
        state = json.loads(Path(path).read_text(encoding="utf-8"))
        self.current, self.best_epoch, self.best_score = state
        if not end_of_epoch:  # this epoch is to be gone on with
            self.current -= 1


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


def tell_of_no_negatives(means: Mapping[str, float], epoch: int) -> None:
    """Warns of an epoch in which a contrastive loss had nothing to tell apart.

    Arguments
    ---------
    means : mapping
        As :meth:`PairStatistics.summary` gives them.
    epoch : int
        For the message.

    Example
    -------
    >>> tell_of_no_negatives({"other_similarity": -0.1}, epoch=1)
    """
    if means.get("other_similarity") == 0.0:  # the mean of none at all
        logger.warning(
            "epoch %d: no pair had a negative: in each batch, all clips are of one id, "
            "one label or one caption, or there is one clip alone. An InfoNCE learns "
            "nothing of such batches",
            epoch,
        )


class History:
    """Rows of numbers by epoch, in a JSON file that is always whole.

    Arguments
    ---------
    path : str or Path
        The file; rows of an earlier run in the same folder are continued.
    tensorboard : str or Path, optional
        Folder for TensorBoard's files as well
        (``pip install 'clap_sb[tensorboard]'``), begun with the first row.

    Raises
    ------
    ValueError
        If TensorBoard is wanted, and not installed.

    Example
    -------
    >>> path = getfixture("tmp_path") / "history.json"
    >>> History(path).add(1, {"loss": 2.0})
    >>> again = History(path)
    >>> again.add(1, {"loss": 1.5})
    >>> again.rows
    [{'epoch': 1, 'loss': 1.5}]
    """

    def __init__(self, path: str | Path, tensorboard: str | Path | None = None):
        self.path = Path(path)
        self.rows: list[dict[str, float]] = []
        if self.path.is_file():
            self.rows = json.loads(self.path.read_text(encoding="utf-8"))
        self._board = None if tensorboard is None else _Board(tensorboard)

    def add(self, epoch: int, values: dict[str, float]) -> None:
        """Adds an epoch's row, in place of what an interrupted run wrote for it.

        For the main process alone: the others would write the same once more.

        Arguments
        ---------
        epoch : int
            Epoch, from 1.
        values : dict
            Numbers by name.
        """
        rows = [row for row in self.rows if row["epoch"] < epoch]
        self.rows = [*rows, {"epoch": epoch, **values}]
        write_whole(self.path, json.dumps(self.rows, indent=1))
        if self._board is not None:
            self._board.add(epoch, values)


class _Board:
    """TensorBoard's files, which a run that adds nothing does not begin."""

    def __init__(self, folder: str | Path):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:  # now, not after the first epoch
            raise ValueError(
                f"tensorboard_folder {folder}: TensorBoard cannot be loaded ({error}): "
                "pip install 'clap_sb[tensorboard]', or leave tensorboard_folder out"
            ) from error
        self._writer = functools.cache(lambda: SummaryWriter(str(folder)))

    def add(self, epoch: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._writer().add_scalar(name, value, epoch)
        self._writer().flush()
