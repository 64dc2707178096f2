"""Steps that are not finite, and a training that is asked to stop after one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import torch
from speechbrain.utils.logger import get_logger
from torch import nn

from clap_sb.data.pairs import PairBatch
from clap_sb.data.printable import printable
from clap_sb.data.sound_limits import LOUDEST
from clap_sb.ranks import largest_of_ranks, of_all_ranks

logger = get_logger(__name__)

_MOST_NAMED = 5
_NONE, _GRADIENTS, _LOSS = 0, 1, 2  # what is not finite in a step


class FiniteSteps:
    """Watches the batches of a step, and takes back what a spoilt one has left.

    An optimizer that is given one gradient that is not finite leaves no weight that is,
    and batch norm has taken such activations into its running means by then. So the
    step is left out, and the buffers are put back as they were before it.

    Arguments
    ---------
    modules : nn.Module
        What is trained; buffers that are part of its state dict are watched.
    patience : int
        Steps of an epoch that may be left out.

    Example
    -------
    >>> norm = nn.BatchNorm1d(1)
    >>> steps = FiniteSteps(norm, patience=1)
    >>> steps.begin()
    >>> _ = norm(torch.tensor([[1.0], [torch.nan]]))
    >>> steps.see_loss(torch.tensor(torch.nan))
    >>> steps.is_spoilt(torch.tensor(0.0))
    True
    >>> steps.leave_out(epoch=1, step=3)
    >>> norm.running_mean
    tensor([0.])
    """

    def __init__(self, modules: nn.Module, patience: int):
        self.patience = patience
        self._modules = modules
        self._saved: list[torch.Tensor] = []
        self._seen: list[tuple[PairBatch, torch.Tensor]] = []
        self._loss_is_finite = True
        self._fault = _NONE
        self._left_out: list[int] = []

    def reset(self) -> None:
        """Begins an epoch."""
        self._left_out = []

    def begin(self) -> None:
        """Begins a step, of one batch or more."""
        self._saved = [buffer.clone() for buffer in self._buffers()]
        self._seen, self._loss_is_finite = [], True

    def see(self, batch: PairBatch, audio: torch.Tensor, text: torch.Tensor) -> None:
        """Notes what a batch came to, to tell its clips by.

        Arguments
        ---------
        batch : PairBatch
            The batch.
        audio : torch.Tensor
            ``[captions, dim]``, what each caption's clip came to.
        text : torch.Tensor
            ``[captions, dim]``.
        """
        self._seen.append((batch, torch.cat([audio.detach(), text.detach()], dim=1)))

    def see_loss(self, loss: torch.Tensor) -> None:
        """Notes the loss of a batch.

        Arguments
        ---------
        loss : torch.Tensor
            Scalar.
        """
        self._loss_is_finite &= bool(loss.isfinite())

    def is_spoilt(self, norm: torch.Tensor, by_scale: bool = False) -> bool:
        """Whether the step must be left out, as one rank's fault makes all leave it.

        Arguments
        ---------
        norm : torch.Tensor
            Norm of all gradients.
        by_scale : bool
            Whether gradients that are too large are the scaler's to deal with: fp16's
            finds out by trying how far a loss may be scaled, and leaves out such steps
            itself.

        Returns
        -------
        bool
        """
        fault = _NONE
        if not self._loss_is_finite:
            fault = _LOSS
        elif not (by_scale or bool(norm.isfinite())):
            fault = _GRADIENTS
        self._fault = largest_of_ranks(fault)
        return self._fault != _NONE

    def leave_out(self, epoch: int, step: int) -> None:
        """Puts the buffers back, and tells which clips it was, on whatever rank.

        Arguments
        ---------
        epoch : int
            For the message.
        step : int
            Batch of the epoch, for the message.

        Raises
        ------
        ValueError
            If there are more than patience has.
        """
        with torch.no_grad():
            for buffer, saved in zip(self._buffers(), self._saved, strict=True):
                buffer.copy_(saved)
        self._left_out.append(step)
        which = "loss is" if self._fault == _LOSS else "gradients are"
        told = (
            f"epoch {epoch}, batch {step}: the {which} not finite, and the step is "
            f"left out ({self._clips()})"
        )
        if len(self._left_out) > self.patience:
            raise ValueError(
                printable(told) + f"; with it {len(self._left_out)} steps of the "
                "epoch were left out, and nonfinite_patience allows "
                f"{self.patience}: no weight is spoilt, and the same command goes on "
                "from the last checkpoint. Lower the learning rates, look at these "
                "clips, or train in another precision"
            )
        logger.warning(printable(told))

    def _clips(self) -> str:
        """The clips that are to blame, if that can be told, or else all of the step."""
        ids = [name for batch, _ in self._seen for name in batch.ids]
        bad = [name for batch, rows in self._seen for name in _to_blame(batch, rows)]
        of_ranks = of_all_ranks((ids, bad))
        told, names = "clip", [name for _, found in of_ranks for name in found]
        if not names:
            told, names = "of", [name for found, _ in of_ranks for name in found]
        names = list(dict.fromkeys(names))
        shown = ", ".join(names[:_MOST_NAMED])
        if len(names) > _MOST_NAMED:
            shown += f" and {len(names) - _MOST_NAMED} more"
        return f"{told} {shown}"

    def _buffers(self) -> list[torch.Tensor]:
        state = self._modules.state_dict(keep_vars=True).values()
        return [value for value in state if not isinstance(value, nn.Parameter)]


def _to_blame(batch: PairBatch, embeddings: torch.Tensor) -> list[str]:
    """Clips with samples that no sound has; else with an embedding that is not finite.

    Batch norm carries it from one clip to the others: samples tell better.
    """
    bad = ~(batch.wavs.abs() <= LOUDEST).all(1)
    if not bad.any():
        bad = torch.zeros(len(batch.ids), dtype=torch.bool)
        bad[batch.caption_clip[~embeddings.isfinite().all(1).to("cpu")]] = True
    return [
        name for name, is_bad in zip(batch.ids, bad.tolist(), strict=True) if is_bad
    ]


logger = get_logger(__name__)

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_BY_SIGNAL = 128  # what shells add to a signal's number


class Stopped(KeyboardInterrupt):
    """A training that has stopped because it was asked to.

    Arguments
    ---------
    number : int
        The signal's.
    saved : str or None
        Where it can be gone on from.

    Example
    -------
    >>> stopped = Stopped(signal.SIGTERM, "run/save/CKPT+1")
    >>> str(stopped), stopped.status
    ('stopped by SIGTERM: run/save/CKPT+1 is whole, and the same command goes on from \
it', 143)
    """

    def __init__(self, number: int, saved: str | None):
        name = signal.Signals(number).name
        super().__init__(
            f"stopped by {name}: nothing was to be saved"
            if saved is None
            else f"stopped by {name}: {saved} is whole, and the same command goes on "
            "from it"
        )
        self.status = _BY_SIGNAL + number


class StopRequest:
    """Whether a training was asked to stop, by Ctrl-C or a SIGTERM.

    Machines that are taken back send a SIGTERM some seconds before. A second signal of
    either kind is acted upon at once, as usual.

    Example
    -------
    >>> request = StopRequest()
    >>> with request.heeded():
    ...     signal.raise_signal(signal.SIGTERM)
    ...     request.number == signal.SIGTERM, request.is_made()
    (True, True)
    """

    def __init__(self) -> None:
        self.number: int | None = None

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Takes note of signals within; they are acted upon as before behind it.

        In a thread that is not the main one, nothing changes: Python gives signals to
        that one alone.
        """
        self.number = None
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._before = {number: signal.getsignal(number) for number in _SIGNALS}
        for number in _SIGNALS:
            signal.signal(number, self._note)
        try:
            yield
        finally:
            self._as_before()

    def is_made(self) -> bool:
        """Whether it is, on any rank: all of them stop at the same step."""
        self.number = largest_of_ranks(self.number or 0) or None
        return self.number is not None

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.number = number
        self._as_before()
        logger.warning(
            "%s: a checkpoint is saved after this step, then the training stops; "
            "again to stop at once",
            signal.Signals(number).name,
        )

    def _as_before(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
