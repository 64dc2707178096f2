"""A training that is asked to stop: it saves after the step in hand, and says so."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import torch
from speechbrain.utils.logger import get_logger

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
        number = self.number or 0
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            is_gpu = torch.distributed.get_backend() == "nccl"
            shared = torch.tensor(number, device="cuda" if is_gpu else "cpu")
            torch.distributed.all_reduce(shared, torch.distributed.ReduceOp.MAX)
            number = int(shared)
        self.number = number or None
        return number > 0

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


def leave_signals_to_main(_worker: int) -> None:
    """Lets a loader's worker outlive signals that all processes of a run are sent.

    The main process has batches to take from it until its step is saved, and ends it
    by a SIGTERM of its own; that one is told from others by its sender.

    Arguments
    ---------
    _worker : int
        Its number.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):  # elsewhere, a SIGTERM ends it
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(
            target=_end_with_main, args=[os.getppid()], daemon=True
        ).start()


def _end_with_main(main: int) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != main:
        pass
    os._exit(0)
