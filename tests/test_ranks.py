"""What befalls one rank does not leave the others waiting, nor part them."""

# ruff: noqa: F811  (fixtures that come from another module)

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess

import pytest
import rank_worker
import torch
from rank_worker import run_ranks
from test_brain import clips, model  # noqa: F401

pytestmark = [
    pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="no gloo"),
    pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL"),
]
LONG, SHORT = 30, 0.03  # minutes


@pytest.mark.parametrize(
    ("befalls", "minutes", "code", "told"),
    [
        ("killed", LONG, -signal.SIGKILL, r"rank 1 \(process \d+\) is gone, and left"),
        ("raises", LONG, 1, r"rank 1 has ended \(ValueError: there is something wrong"),
        ("hangs", SHORT, 1, r"rank 1 did not come to where .*rank_timeout_minutes"),
        ("goes_bad", LONG, 1, r"rank 1 has ended \(AudioError: 3 of about 12 training"),
    ],
)
def test_a_rank_that_fails_ends_the_others_which_say_why(
    befalls, minutes, code, told, tmp_path, model, clips
):
    ends = run_ranks(tmp_path, model, clips, getattr(rank_worker, befalls), minutes)
    assert [end[0] for end in ends] == [1, code], ends
    error = ends[0][1].splitlines()[-1]
    assert error.startswith("error: ") and re.search(told, error), error
    assert "the same command goes on" in error
    assert "Traceback" not in ends[0][1]


def test_what_is_told_is_not_cut_short_by_a_signal():
    """`torchrun` sends one to those that are left, as soon as one has ended."""
    from clap_sb import ranks

    process = subprocess.Popen(["true"])
    process.wait()
    words = torch.distributed.HashStore()
    words.set("process 1", f"{process.pid} {socket.gethostname()}")
    before = signal.getsignal(signal.SIGTERM)
    try:
        told = ranks._why(ranks._Together(0, 2, words), RuntimeError("Read error"))
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert told.startswith(f"rank 1 (process {process.pid}) is gone")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, model, clips):
    folder = tmp_path_factory.mktemp("undisturbed")
    return weights(folder, run_ranks(folder, model, clips, rank_worker.nothing, LONG))


def weights(folder, ends) -> dict[str, torch.Tensor]:
    """What both ranks end with, batch norm on a CPU aside, after as many steps."""
    assert [end[0] for end in ends] == [0, 0], ends
    states = [torch.load(folder / f"end{rank}.pt") for rank in (0, 1)]
    assert ends[0][1].splitlines()[-1] == ends[1][1].splitlines()[-1]
    kept = [name for name in states[0] if "running_" not in name]
    for name in kept:
        assert torch.equal(states[0][name], states[1][name]), name
    return {name: states[0][name] for name in kept}


@pytest.mark.parametrize(
    ("befalls", "steps", "told"),
    [
        ("one_goes_bad", 3, "a bad sector"),
        ("overflows", 3, "batch 2: the loss is not finite, and the step is left out"),
        ("fewer", 2, "different numbers of training clips (12, 8)"),
    ],
)
def test_what_befalls_one_rank_parts_them_not(
    befalls, steps, told, tmp_path, model, clips, undisturbed
):
    ends = run_ranks(tmp_path, model, clips, getattr(rank_worker, befalls), LONG)
    state = weights(tmp_path, ends)
    assert ends[0][1].splitlines()[-1] == f"steps {steps}"
    assert told in ends[0][1] + ends[1][1]
    assert any(not torch.equal(state[name], undisturbed[name]) for name in state)
