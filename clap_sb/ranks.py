"""Processes that train together: how they meet, wait, and tell of their end."""

from __future__ import annotations

import datetime
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

_PREPARING = datetime.timedelta(hours=24)  # one of them looks into all files meanwhile
_GRACE_SECONDS = 5.0  # in which others may still say why they end
_FINISHED = "it has finished"


class RankError(ConnectionError):
    """Another process of the run has ended, or does not come."""


@dataclass
class _Together:
    """This process among the others, and where they leave word for one another."""

    rank: int
    ranks: int
    words: dist.Store
    minutes: float = _PREPARING.total_seconds() / 60


_joined: _Together | None = None


def join_ranks(backend: str) -> None:
    """Meets the other processes, where ``torchrun`` or the like has started several.

    As SpeechBrain does it, with a time limit of its own (:func:`limit_waiting`).

    Arguments
    ---------
    backend : str
        ``nccl``, ``gloo`` or ``mpi``.

    Raises
    ------
    ValueError
        If there is no such backend here, or no GPU for this process.

    Example
    -------
    >>> join_ranks("gloo")  # this process is alone
    """
    global _joined
    if "LOCAL_RANK" not in os.environ:
        return
    _check_backend(backend)
    gpu = int(os.environ["LOCAL_RANK"])
    own = int(os.environ.get("RANK", gpu))
    if backend != "gloo":
        if gpu >= torch.cuda.device_count():
            raise ValueError(
                f"process {gpu} has no GPU: torch finds {torch.cuda.device_count()}. "
                "Start as many processes as there are GPUs, or train on the CPU "
                "(--device cpu --distributed_backend gloo)"
            )
        torch.cuda.set_device(gpu)
    store, rank, ranks = next(dist.rendezvous("env://", rank=own))
    dist.init_process_group(
        backend,
        store=dist.PrefixStore("group", store),
        rank=rank,
        world_size=ranks,
        timeout=_PREPARING,
    )
    _joined = _Together(rank, ranks, dist.PrefixStore("words", store))
    _joined.words.set(f"process {rank}", f"{os.getpid()} {socket.gethostname()}")


def _check_backend(backend: str) -> None:
    there = {
        "nccl": dist.is_nccl_available(),
        "gloo": dist.is_gloo_available(),
        "mpi": dist.is_mpi_available(),
    }
    if not there.get(backend):
        known = ", ".join(name for name, is_there in there.items() if is_there)
        raise ValueError(
            f"--distributed_backend {backend}: torch has none here; it has {known}"
        )


def limit_waiting(minutes: float) -> None:
    """Sets how long processes wait for one another from now on.

    Before, it is a day: one of them prepares the data, and the others wait.

    Arguments
    ---------
    minutes : float
        Minutes.

    Raises
    ------
    ValueError
        If they are not more than 0.

    Example
    -------
    >>> limit_waiting(0)
    Traceback (most recent call last):
    ...
    ValueError: rank_timeout_minutes is 0: give how long the processes of a training \
wait for one another, such as 30
    """
    if not minutes > 0:
        raise ValueError(
            f"rank_timeout_minutes is {minutes}: give how long the processes of a "
            "training wait for one another, such as 30"
        )
    if _joined is None:
        return
    limit = datetime.timedelta(minutes=minutes)
    if hasattr(dist, "set_timeout"):
        dist.set_timeout(limit)
    else:  # of older versions of torch
        dist.distributed_c10d._set_pg_timeout(limit)
    _joined.minutes = minutes


@contextmanager
def together() -> Iterator[None]:
    """Has processes say why they end; the others, which then end too, repeat it.

    Raises
    ------
    RankError
        In place of what a library says when it cannot reach another process, or has
        waited for one too long.

    Example
    -------
    >>> with together():
    ...     pass
    """
    global _joined
    try:
        yield
    except BaseException as error:
        if _joined is None:
            raise
        if not _is_of_others(error):
            _leave_word(f"{type(error).__name__}: {error}")
            raise
        raise RankError(_why(_joined, error)) from error
    else:
        _leave_word(_FINISHED)
    finally:
        _joined = None
        if dist.is_available() and dist.is_initialized():
            dist.destroy_process_group()


def _is_of_others(error: BaseException) -> bool:
    """Whether it says that another process cannot be reached, or was waited for."""
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and "gloo/transport" in str(error)
    )


def _leave_word(why: str) -> None:
    if _joined is None:
        return
    try:
        _joined.words.set(f"end {_joined.rank}", why)
    except RuntimeError:
        return  # whoever kept the words is gone, and so are the others


def _why(own: _Together, error: BaseException) -> str:
    """What became of the others, as far as can be known."""
    _end_unasked()
    others = [rank for rank in range(own.ranks) if rank != own.rank]
    told = None
    try:
        own.words.set(f"waits {own.rank}", "")
        end = time.monotonic() + _GRACE_SECONDS
        while told is None and time.monotonic() < end:
            told = next(filter(None, (_ended(own, rank) for rank in others)), None)
            time.sleep(0.1)
        if told is None:
            silent = [r for r in others if not own.words.check([f"waits {r}"])]
            told = _not_come(own, silent)
    except RuntimeError:
        told = "rank 0, which the others go by, is gone, and left no word"
    known = told or " ".join(str(error).split())
    return (
        f"{known}. Rank {own.rank} ends with it; the same command goes on from the "
        "last checkpoint"
    )


def _end_unasked() -> None:
    """Lets no SIGTERM cut short what is told: `torchrun` sends one to all at once."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _ended(own: _Together, rank: int) -> str | None:
    """Why another has ended, if it has."""
    if own.words.check([f"end {rank}"]):
        return f"rank {rank} has ended ({own.words.get(f'end {rank}').decode()})"
    process, host = own.words.get(f"process {rank}").decode().split(" ", 1)
    if host == socket.gethostname() and _is_gone(int(process)):
        return (
            f"rank {rank} (process {process}) is gone, and left no word: it was "
            "killed, as by a system that runs out of memory, or crashed"
        )
    return None


def _not_come(own: _Together, silent: list[int]) -> str | None:
    if not silent:
        return None
    named = "rank " + " and rank ".join(map(str, silent))
    return (
        f"{named} did not come to where the others wait, within {own.minutes:g} min "
        "(rank_timeout_minutes), or cannot be reached: see what it is busy with, such "
        "as a file that cannot be read to its end, or a disk that does not answer"
    )


def _is_gone(process: int) -> bool:
    if os.name == "nt":  # where asking for it would end it
        return False
    try:
        os.kill(process, 0)
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except ProcessLookupError:
        return True
    except OSError:
        return False  # another's; or there is no /proc here
    return state.rpartition(")")[2].split()[0] == "Z"  # killed, and not yet waited for


def largest_of_ranks(number: int) -> int:
    """The largest that any process has: whatever they decide by it is the same on all.

    Arguments
    ---------
    number : int
        This process's.

    Returns
    -------
    int

    Example
    -------
    >>> largest_of_ranks(3)
    3
    """
    if not (dist.is_available() and dist.is_initialized()):
        return number
    is_gpu = dist.get_backend() == "nccl"
    shared = torch.tensor(number, device="cuda" if is_gpu else "cpu")
    dist.all_reduce(shared, dist.ReduceOp.MAX)
    return int(shared)


def of_all_ranks(value: Any) -> list[Any]:
    """What each process has, that of rank 0 first.

    Arguments
    ---------
    value : Any
        This process's; what can be pickled.

    Returns
    -------
    list

    Example
    -------
    >>> of_all_ranks("alone")
    ['alone']
    """
    if not (dist.is_available() and dist.is_initialized()):
        return [value]
    parts: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(parts, value)
    return parts
