"""A checkpoint is whole or absent, whenever the process is killed."""

from __future__ import annotations

import pytest
import torch
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)

from clap_sb.training.checkpointer import AtomicCheckpointer


@register_checkpoint_hooks
class Killed:
    """Saved last; the process dies half way through, if it is told to."""

    armed = False

    @mark_as_saver
    def save(self, path):
        path.write_text("half")
        if self.armed:
            raise KeyboardInterrupt
        path.write_text("whole")

    @mark_as_loader
    def load(self, path, end_of_epoch):
        assert path.read_text() == "whole"


@pytest.fixture
def run(tmp_path):
    model, last = torch.nn.Linear(1, 1), Killed()
    recoverables = {"model": model, "last": last}
    checkpointer = AtomicCheckpointer(tmp_path / "save", recoverables)
    return checkpointer, model, last


def fill(model: torch.nn.Linear, value: float) -> None:
    with torch.no_grad():
        model.weight.fill_(value)


def folders(checkpointer) -> list[str]:
    return sorted(path.name for path in checkpointer.checkpoints_dir.iterdir())


def save_killed(run) -> None:
    checkpointer, _, last = run
    last.armed = True
    with pytest.raises(KeyboardInterrupt):
        checkpointer.save_and_keep_only(meta={"score": 9.0}, max_keys=["score"])
    last.armed = False


def test_saved_and_recovered(run):
    checkpointer, model, _ = run
    fill(model, 1.0)
    saved = checkpointer.save_checkpoint(meta={"score": 3.0})
    assert saved.path.is_dir() and saved.path.name.startswith("CKPT+")
    assert all(path.is_file() for path in saved.paramfiles.values())
    assert saved.meta["score"] == 3.0
    fill(model, 2.0)
    found = checkpointer.recover_if_possible()
    assert found.path == saved.path and model.weight.item() == 1.0


def test_a_killed_save_leaves_the_previous_checkpoint_the_latest(run):
    checkpointer, model, _ = run
    fill(model, 1.0)
    saved = checkpointer.save_checkpoint(meta={"score": 3.0})
    fill(model, 2.0)
    save_killed(run)
    assert len(checkpointer.list_checkpoints()) == 1
    for choice in ({}, {"max_key": "score"}):
        fill(model, 5.0)
        assert checkpointer.recover_if_possible(**choice).path == saved.path
        assert model.weight.item() == 1.0


def test_a_first_save_that_is_killed_leaves_none(run):
    checkpointer, model, _ = run
    save_killed(run)
    assert checkpointer.recover_if_possible() is None


def test_what_was_left_half_saved_is_cleaned_next_time(run, monkeypatch):
    checkpointer, _, _ = run
    monkeypatch.setattr("time.time", lambda: 1_000_000_000.0)
    save_killed(run)
    assert [name[:7] for name in folders(checkpointer)] == ["PARTIAL"]
    monkeypatch.undo()  # another second: another name
    saved = checkpointer.save_checkpoint()
    assert folders(checkpointer) == [saved.path.name]
    checkpointer.recover_if_possible()


def test_the_best_and_the_latest_are_kept(run):
    checkpointer, model, _ = run
    for value, score in ((1.0, 5.0), (2.0, 9.0), (3.0, 4.0), (4.0, 6.0)):
        fill(model, value)
        checkpointer.save_and_keep_only(meta={"score": score}, max_keys=["score"])
    assert len(folders(checkpointer)) == 2
    checkpointer.recover_if_possible(max_key="score")
    assert model.weight.item() == 2.0
    checkpointer.recover_if_possible()
    assert model.weight.item() == 4.0


def test_checkpoints_of_one_second_have_names_of_their_own(run, monkeypatch):
    checkpointer, _, _ = run
    monkeypatch.setattr("time.time", lambda: 1_000_000_000.0)
    names = {checkpointer.save_checkpoint().path.name for _ in range(3)}
    assert len(names) == 3 == len(folders(checkpointer))


def test_a_named_checkpoint_may_be_saved_again(run):
    checkpointer, model, _ = run
    for value in (1.0, 2.0):
        fill(model, value)
        saved = checkpointer.save_checkpoint(name="mine")
        assert saved.path.name == "CKPT+mine"
    fill(model, 3.0)
    checkpointer.recover_if_possible()
    assert model.weight.item() == 2.0
    assert folders(checkpointer) == ["CKPT+mine"]


def test_a_part_of_other_shapes_is_named_before_it_is_loaded(tmp_path):
    AtomicCheckpointer(tmp_path, {"part": torch.nn.Linear(1, 2)}).save_checkpoint()
    AtomicCheckpointer(tmp_path, {"part": torch.nn.Linear(1, 2)}).check_shared("part")
    for other in (torch.nn.Linear(1, 3), torch.nn.Linear(1, 2, bias=False)):
        checkpointer = AtomicCheckpointer(tmp_path, {"part": other})
        with pytest.raises(ValueError, match="part does not fit .*bias: give it the"):
            checkpointer.check_shared("part")


def test_what_was_being_deleted_as_the_process_died_goes_with_the_next(tmp_path):
    checkpointer = AtomicCheckpointer(tmp_path, {"model": torch.nn.Linear(1, 1)})
    first = checkpointer.save_checkpoint()
    (first.path / "CKPT.yaml").unlink()
    second = checkpointer.save_checkpoint()
    assert [path.name for path in tmp_path.iterdir()] == [second.path.name]
