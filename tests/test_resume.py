"""A run that is killed ends with the same weights, bit for bit, as one that is not.

The processes kill themselves with SIGKILL, each at a certain point: no clean-up runs,
and no test depends on time.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import yaml
from scripts import TINY, TRAIN, command, run_script
from speechbrain.utils.checkpoints import Checkpoint

from clap_sb.checkpoints.run_folder import PARTS
from clap_sb.data.builtin import write_audiocaps

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")

EPOCHS, STEPS = 3, 5  # 22 clips in batches of 4: 5 is no multiple of the factor 2
COMMON = {
    **TINY,
    "number_of_epochs": EPOCHS,
    "batch_size": 4,
    "valid_batch_size": 4,
    "warmup_steps": 4,
    "lr": 0.003,
    "patience": 2,  # what has been waited for survives as well
    "ckpt_interval_minutes": 0,
}
PLAIN = {"ckpt_interval_steps": 2}
# due after each batch, but written where the optimizer steps
ACCUMULATING = {"ckpt_interval_steps": 1, "grad_accumulation_factor": 2}
ALL_STEPS = [(epoch, step) for epoch in (1, 2, 3) for step in range(1, STEPS + 1)]


@dataclass(frozen=True)
class Kill:
    """The process dies when a function is called for the n-th time.

    `leaves` is called with the function and its arguments right before.
    """

    owner: str
    function: str
    call: int
    leaves: Callable | None = None


def half_a_file(save: Callable, state: object, path: Path) -> None:
    save(state, path)
    os.truncate(path, path.stat().st_size // 2)


def half_a_folder(delete: Callable, checkpoint: Checkpoint, **options: object) -> None:
    next(iter(checkpoint.paramfiles.values())).unlink()


SAVE = functools.partial(Kill, "torch", "save", leaves=half_a_file)
SAVES = 6  # files that torch writes for a checkpoint: five parts and the optimizer
BATCH_END = functools.partial(Kill, "clap_sb.brain.CLAPBrain", "on_fit_batch_end")
CHECKPOINT = functools.partial(
    Kill, "clap_sb.training.checkpointer.AtomicCheckpointer", "save_checkpoint"
)
EVALUATED = functools.partial(Kill, "clap_sb.evaluation.embedding.Embedder", "add")
DELETE = functools.partial(
    Kill,
    "speechbrain.utils.checkpoints.Checkpointer",
    "_delete_checkpoint",
    leaves=half_a_folder,
)


def watch(steps: Path, kill: Kill | None) -> None:
    """Notes each training step in a file, and arms the kill; runs in the process."""
    brain = _find("clap_sb.brain.CLAPBrain")
    fit_batch = brain.fit_batch

    def noted(self, batch):
        with open(steps, "a", encoding="utf-8") as file:
            print(json.dumps((self.epoch, self.step)), file=file)
        return fit_batch(self, batch)

    brain.fit_batch = noted
    _leave_out_what_takes_time()
    if kill is not None:
        _arm(kill)


def _leave_out_what_takes_time() -> None:
    """No plots, which no test here looks at."""
    _find("clap_sb.experiment.testing").plot_training_curves = _nothing
    _find("clap_sb.evaluation.retrieval_report").plot_similarity_matrix = _nothing


def _nothing(*args: object) -> None:
    """Stands in for a function that is of no account here."""


def _arm(kill: Kill) -> None:
    owner = _find(kill.owner)
    original = getattr(owner, kill.function)
    calls = 0

    @functools.wraps(original)
    def counting(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == kill.call:
            if kill.leaves is not None:
                kill.leaves(original, *args, **kwargs)
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)

    setattr(owner, kill.function, counting)


def _find(name: str) -> object:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return getattr(importlib.import_module(module), attribute)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_audiocaps(tmp_path_factory.mktemp("resume") / "data", 22, 6, 6, seed=1)


@dataclass(frozen=True)
class Run:
    """A run's folder, to be trained by as many processes as it takes."""

    folder: Path
    data: Path
    settings: dict[str, object]

    def go(self, kill: Kill | None = None) -> list[tuple[int, int]]:
        """Runs the command; returns (epoch, step) of the steps it trained."""
        steps = self.folder.with_name(self.folder.name + "_steps")
        steps.write_text("", encoding="utf-8")
        folders = {"data_folder": self.data, "output_folder": self.folder}
        finished = run_script(
            TRAIN,
            command("hparams/demo.yaml", {**COMMON, **folders, **self.settings}),
            log=self.folder.with_name(self.folder.name + "_log"),
            prepare=functools.partial(watch, steps, kill),
        )
        expected = 0 if kill is None else -signal.SIGKILL
        assert finished.code == expected, finished.output
        return [
            tuple(json.loads(line))
            for line in steps.read_text(encoding="utf-8").splitlines()
        ]

    def checkpoints(self) -> dict[int, dict[str, dict[str, torch.Tensor]]]:
        """The parts of each checkpoint, by epoch."""
        found = {}
        for folder in (self.folder / "save").iterdir():
            assert folder.name.startswith("CKPT+")  # nothing half written stays
            meta = yaml.safe_load((folder / "CKPT.yaml").read_text(encoding="utf-8"))
            found[meta["epoch"]] = {
                part: torch.load(folder / f"{part}.ckpt", weights_only=True)
                for part in PARTS
            }
        return found

    def scores(self) -> dict[str, object]:
        path = self.folder / "results" / "retrieval.json"
        scores = json.loads(path.read_text(encoding="utf-8"))
        del scores["card"]  # names the checkpoint, after the time of day
        return scores

    def history(self) -> list[dict[str, float]]:
        return json.loads((self.folder / "history.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, data) -> Callable[[int], Run]:
    """Gives the run that nothing happened to, by its accumulation factor."""

    @functools.cache
    def make(factor: int) -> Run:
        settings = PLAIN if factor == 1 else ACCUMULATING
        run = Run(tmp_path_factory.mktemp("uninterrupted") / "run", data, settings)
        assert run.go() == ALL_STEPS
        return run

    return make


def assert_same(run: Run, reference: Run) -> None:
    ours, theirs = run.checkpoints(), reference.checkpoints()
    assert ours.keys() == theirs.keys()
    assert EPOCHS in ours
    for epoch, parts in theirs.items():
        for part, state in parts.items():
            assert ours[epoch][part].keys() == state.keys()
            for name, tensor in state.items():
                assert torch.equal(ours[epoch][part][name], tensor), (epoch, name)
    assert run.history() == reference.history()
    assert [row["epoch"] for row in run.history()] == [1, 2, 3]
    assert run.scores() == reference.scores()


@pytest.mark.parametrize(
    ("kill", "next_step"),
    [
        pytest.param(BATCH_END(1), (1, 1), id="before the first checkpoint"),
        pytest.param(BATCH_END(8), (2, 3), id="in mid-epoch"),
        pytest.param(SAVE(3 * SAVES + 3), (2, 1), id="inside a save in mid-epoch"),
        pytest.param(EVALUATED(4), (2, 5), id="during validation"),
        pytest.param(CHECKPOINT(6), (2, 5), id="after the history's row"),
        pytest.param(SAVE(5 * SAVES + 4), (2, 5), id="inside a save at an epoch's end"),
        pytest.param(DELETE(4), (3, 1), id="while an old checkpoint is deleted"),
        pytest.param(EVALUATED(7), None, id="during the test"),
    ],
)
def test_a_killed_run_ends_as_if_nothing_had_happened(
    kill, next_step, uninterrupted, tmp_path, data
):
    run = Run(tmp_path / "run", data, PLAIN)
    run.go(kill)
    trained = run.go()
    rest = [] if next_step is None else ALL_STEPS[ALL_STEPS.index(next_step) :]
    assert trained == rest
    assert_same(run, uninterrupted(1))


@pytest.mark.parametrize(
    ("factor", "settings"),
    [
        # the reference has no worker: their number must not change the result either
        pytest.param(1, {**PLAIN, "num_workers": 1}, id="one worker"),
        pytest.param(2, ACCUMULATING, id="accumulation"),
    ],
)
def test_a_run_may_be_killed_again_and_again(
    factor, settings, uninterrupted, tmp_path, data
):
    run = Run(tmp_path / "run", data, settings)
    assert run.go(BATCH_END(1)) == ALL_STEPS[:1]
    assert run.go(BATCH_END(8)) == ALL_STEPS[:8]
    assert run.go(EVALUATED(2)) == [(2, 3), (2, 4), (2, 5)]
    assert run.go() == [(2, 5), *ALL_STEPS[10:]]
    assert_same(run, uninterrupted(factor))
