"""A rank of a small training, which something befalls; tests start two of them."""

from __future__ import annotations

import copy
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from processes import start_process

from clap_sb.data.audio_source import AudioError
from clap_sb.data.manifest import Clip
from clap_sb.model import CLAP

RANKS = 2
RATES = {"lr": 0.1, "audio_lr": 0.1, "text_lr": 0.1, "best_metric": "epoch"}


def run_ranks(
    folder: Path, model: CLAP, clips: Sequence[Clip], befalls: Callable, minutes: float
) -> list[tuple[int, str]]:
    """Trains on two ranks, without `torchrun`; gives exit codes and what was printed.

    `befalls` is called on each rank with the brain's class, the data set and the rank,
    before training; what it changes there is that rank's alone.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [
        start_process(_rank, rank, port, folder, model, clips, befalls, minutes)
        for rank in range(RANKS)
    ]
    for process in processes:
        process.join(120)
        if process.exitcode is None:
            process.kill()
            process.join()
    logs = [(folder / f"log{rank}").read_text() for rank in range(RANKS)]
    return [(p.exitcode, log) for p, log in zip(processes, logs, strict=True)]


def _rank(
    rank: int,
    port: int,
    folder: Path,
    model: CLAP,
    clips: Sequence[Clip],
    befalls: Callable,
    minutes: float,
) -> None:
    from clap_sb.experiment.run import run_recipe

    with open(folder / f"log{rank}", "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": RANKS}
    own = {"RANK": rank, "LOCAL_RANK": rank}
    os.environ.update({name: str(value) for name, value in (where | own).items()})
    run_recipe(lambda _: _train(rank, folder, model, clips, befalls, minutes))


def _train(rank, folder, model, clips, befalls, minutes) -> None:
    from test_brain import loader_options, make_brain, pairs

    from clap_sb.brain import CLAPBrain
    from clap_sb.ranks import join_ranks, limit_waiting

    class Brain(CLAPBrain):
        """Another one for each test."""

    join_ranks("gloo")
    limit_waiting(minutes)
    options = {"distributed_backend": "gloo"}
    brain = make_brain(
        copy.deepcopy(model), folder, run_opts=options, brain_class=Brain, **RATES
    )
    dataset = pairs(brain, clips)
    befalls(brain, dataset, rank)
    brain.fit([1], dataset, train_loader_kwargs=loader_options(brain, batch_size=2))
    torch.save(brain.clap.state_dict(), folder / f"end{rank}.pt")
    print("steps", brain.optimizer_step)


# ------------------------------------------------------------------ what befalls


def nothing(brain, dataset, rank) -> None:
    """They end as ever."""


def _at_second_step(brain, act: Callable[[], None]) -> None:
    before = brain.on_fit_batch_start

    def begun(batch, should_step):
        before(batch, should_step)
        if brain.step == 2:
            act()

    brain.on_fit_batch_start = begun


def killed(brain, dataset, rank) -> None:
    """Rank 1 is gone without a word."""
    if rank == 1:
        _at_second_step(brain, lambda: os.kill(os.getpid(), signal.SIGKILL))


def raises(brain, dataset, rank) -> None:
    """Rank 1 comes upon an error of its own."""

    def fail():
        raise ValueError("there is something wrong with this one")

    if rank == 1:
        _at_second_step(brain, fail)


def hangs(brain, dataset, rank) -> None:
    """Rank 1 is busy with something else, for longer than the others wait."""
    told = brain.checkpointer.checkpoints_dir.parent / "log0"

    def wait():
        while "error: " not in told.read_text():
            time.sleep(0.1)

    if rank == 1:
        _at_second_step(brain, wait)


def goes_bad(brain, dataset, rank) -> None:
    """No file can be read any more by rank 1."""

    def draw(epoch, clip):
        raise AudioError(f"{clip.path}: cannot be read (the disk is gone)")

    dataset.max_unreadable = 0.1
    if rank == 1:
        dataset._draw = draw


def one_goes_bad(brain, dataset, rank) -> None:
    """Rank 1 cannot read every other file."""
    draw = dataset._draw

    def drawn(epoch, clip):
        if rank == 1 and int(clip.id) % 2:
            raise AudioError(f"{clip.path}: cannot be read (a bad sector)")
        return draw(epoch, clip)

    dataset._draw = drawn


def overflows(brain, dataset, rank) -> None:
    """The loss of rank 1 alone is not finite, in the second step."""
    see = brain.check_loss_isfinite

    def seen(loss):
        see(loss * torch.nan if rank == 1 and brain.step == 2 else loss)

    brain.check_loss_isfinite = seen


def fewer(brain, dataset, rank) -> None:
    """Rank 1 has seen another manifest."""
    if rank == 1:
        del dataset.clips[8:]
