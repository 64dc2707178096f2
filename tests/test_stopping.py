"""A training that is asked to stop saves, says so, and ends as if nothing had been."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import threading

import pytest
from scripts import ROOT, TRAIN, command, run_script
from test_resume import (  # noqa: F401  (fixtures)
    ACCUMULATING,
    ALL_STEPS,
    COMMON,
    PLAIN,
    Run,
    _find,
    assert_same,
    data,
    uninterrupted,
    watch,
)

from clap_sb.training.step_guard import Stopped, StopRequest

# ruff: noqa: F811


def signalled(steps, owner, function, call, number, times, group):
    """Sends itself a signal when a function is called for the n-th time."""
    watch(steps, None)
    owner = _find(owner)
    original = getattr(owner, function)
    calls = 0
    if group:
        os.setpgrp()

    @functools.wraps(original)
    def counting(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == call:
            for _ in range(times):
                (os.killpg if group else os.kill)(os.getpid(), number)
        return original(*args, **kwargs)

    setattr(owner, function, counting)


BRAIN = "clap_sb.brain.CLAPBrain"


@pytest.mark.skipif(os.name == "nt", reason="signals are others there")
@pytest.mark.parametrize(
    ("number", "where", "settings", "done"),
    [
        (signal.SIGTERM, (BRAIN, "fit_batch", 7), PLAIN, 7),
        (signal.SIGINT, (BRAIN, "fit_batch", 5), {"num_workers": 1}, 5),
        (signal.SIGTERM, (BRAIN, "on_fit_batch_end", 6), {"num_workers": 1}, 6),
        # in a window of two batches: after its end
        (signal.SIGTERM, (BRAIN, "fit_batch", 6), ACCUMULATING, 7),
        # while an epoch is validated: after the first step of the next
        (signal.SIGTERM, (BRAIN, "evaluate_batch", 1), {}, 6),
        # while the last one is: behind it
        (signal.SIGINT, (BRAIN, "evaluate_batch", 5), {}, 15),
    ],
    ids=["step", "last step", "workers", "window", "validation", "the last of all"],
)
def test_a_run_that_was_asked_to_stop_ends_as_if_nothing_had_happened(
    number, where, settings, done, uninterrupted, tmp_path, data
):
    run = Run(tmp_path / "run", data, settings)
    steps, log = tmp_path / "steps", tmp_path / "log"
    folders = {"data_folder": data, "output_folder": run.folder}
    words = command("hparams/demo.yaml", {**COMMON, **folders, **settings})
    group = "num_workers" in settings  # as a terminal does, and machines taken back
    prepare = functools.partial(signalled, steps, *where, number, 1, group)
    finished = run_script(TRAIN, words, log, prepare)
    assert finished.code == 128 + number, finished.output
    assert "Traceback" not in finished.output
    name = signal.Signals(number).name
    assert f"stopped by {name}: " in finished.output.splitlines()[-1]
    assert "is whole, and the same command goes on from it" in finished.output
    trained = run.go()
    assert trained == ALL_STEPS[done:]
    assert_same(run, uninterrupted(2 if settings is ACCUMULATING else 1))


@pytest.mark.skipif(os.name == "nt", reason="signals are others there")
def test_a_second_signal_is_acted_upon_at_once(tmp_path, data):
    folders = {"data_folder": data, "output_folder": tmp_path / "run"}
    words = command("hparams/demo.yaml", {**COMMON, **folders})
    where = (BRAIN, "fit_batch", 2)
    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)):
        prepare = functools.partial(
            signalled, tmp_path / "steps", *where, number, 2, False
        )
        finished = run_script(TRAIN, words, tmp_path / "log", prepare)
        assert finished.code == status, finished.output
        assert "Traceback" not in finished.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_heeded_within_alone(number):
    before = signal.getsignal(number)
    request = StopRequest()
    with request.heeded():
        assert not request.is_made()
        signal.raise_signal(number)
        assert request.is_made() and request.number == number
    assert signal.getsignal(number) is before
    with request.heeded():
        assert not request.is_made()
    assert issubclass(Stopped, KeyboardInterrupt)


def test_in_another_thread_nothing_changes():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def within():
        with StopRequest().heeded():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=within)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.skipif(os.name == "nt", reason="signals are others there")
def test_a_command_that_is_interrupted_prints_no_traceback(tmp_path):
    code = (
        "import os, signal, sys\n"
        "from clap_sb.cli import main\n"
        # a shell has what it puts into the background ignore it
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def run(arguments): os.kill(os.getpid(), signal.SIGINT); signal.pause()\n"
        "sys.modules['clap_sb.cli.info']._run = run\n"
        "sys.exit(main(['info', 'x']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "clap-sb: interrupted\n")
