"""What a loader's worker does with signals, and when its main process is gone."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading

_LOOKED_SECONDS = 1.0  # how often a worker sees whether its main process is there


def leave_signals_to_main(_worker: int) -> None:
    """Lets a loader's worker outlive signals that all processes of a run are sent.

    The main process has batches to take from it until its step is saved, and ends it
    by a SIGTERM of its own; that one is told from others by its sender. Where the main
    process is killed, the worker ends within seconds: torch looks for another parent,
    and where workers are started by a server (forkserver, Python 3.14's way), that one
    stays their parent as long as they are there.

    Arguments
    ---------
    _worker : int
        Its number.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "sigtimedwait"):  # elsewhere, a SIGTERM ends it
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_with_main, daemon=True).start()


def _end_with_main() -> None:
    main = multiprocessing.parent_process()  # not always the parent that the OS knows
    while main.is_alive():
        received = signal.sigtimedwait({signal.SIGTERM}, _LOOKED_SECONDS)
        if received is not None and received.si_pid == main.pid:
            break
    os._exit(0)
