"""Loading what a training run left: the best checkpoint, or a reason why not."""

from __future__ import annotations

import shutil

import pytest
import torch
from builders import CAPTIONS, CLIP_SAMPLES
from small_run import write_run

from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.open_checkpoint import open_checkpoint
from clap_sb.checkpoints.run_folder import PARTS

SCORES = {1: 20.0, 2: 40.0, 3: 30.0}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of three epochs, and each epoch's embeddings."""
    run, expected = tmp_path_factory.mktemp("run"), {}

    def note(epoch, name, clap):
        expected[epoch] = (name, embeddings(clap))

    write_run(run, tmp_path_factory.mktemp("source"), SCORES, note)
    return run, expected


@pytest.fixture
def run(finished, tmp_path):
    """A copy to be damaged."""
    shutil.copytree(finished[0], tmp_path / "run")
    return tmp_path / "run"


@torch.no_grad()
def embeddings(clap) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    wavs = 0.1 * torch.randn(6, CLIP_SAMPLES, generator=generator)
    return torch.cat(clap(wavs, None, CAPTIONS))


def best(run):
    return next(
        path
        for path in (run / "save").iterdir()
        if "score: 40" in (path / "CKPT.yaml").read_text()
    )


def test_the_best_checkpoint_of_a_run(finished):
    run, expected = finished
    model = open_checkpoint(run)
    name, embedded = expected[2]
    assert model.path.name == name
    assert torch.equal(embeddings(model.clap), embedded)
    assert model.clap.logit_scale.log_scale.item() == 2.0
    assert not model.clap.training
    assert (model.system, model.trained_on) == ("tiny", "nothing")
    assert model.text_tower_origin == "random"
    assert "score (40.00 in epoch 2)" in model.selection


@pytest.mark.parametrize("epoch", [1, 3])
def test_a_checkpoint_that_is_named(finished, epoch):
    run, expected = finished
    name, embedded = expected[epoch]
    model = open_checkpoint(run / "save" / name)
    assert torch.equal(embeddings(model.clap), embedded)
    assert "as given" in model.selection and name in model.selection


def test_a_checkpoint_named_from_within_its_folder(finished, monkeypatch):
    run, expected = finished
    name, embedded = expected[3]
    monkeypatch.chdir(run / "save")
    assert torch.equal(embeddings(open_checkpoint(name).clap), embedded)


def test_of_equal_scores_the_latest_wins(run):
    for path in (run / "save").iterdir():
        meta = path / "CKPT.yaml"
        meta.write_text(meta.read_text().replace("score: 20.0", "score: 40.0"))
    assert "epoch 2" in open_checkpoint(run).selection


def test_half_saved_checkpoints_are_not_looked_at(run):
    shutil.copytree(best(run), run / "save" / "PARTIAL+left")
    meta = run / "save" / "PARTIAL+left" / "CKPT.yaml"
    meta.write_text(meta.read_text().replace("score: 40.0", "score: 99.0"))
    assert "40.00" in open_checkpoint(run).selection


# ---------------------------------------------------------------- what is refused


def refused(path, *words: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(path)
    for word in words:
        assert word in str(caught.value)


def test_no_such_folder(tmp_path):
    refused(tmp_path / "absent", "no file or folder", "absent")


def test_a_folder_without_its_description(run):
    (run / "model.yaml").unlink()
    refused(run, "no model.yaml of a training run (give its output folder")


def test_a_run_without_a_finished_epoch(run):
    for path in (run / "save").iterdir():
        if "score" in (path / "CKPT.yaml").read_text():
            shutil.rmtree(path)
    refused(run, "'score'", "not finished an epoch")


def test_a_run_without_any_checkpoint(run):
    shutil.rmtree(run / "save")
    refused(run, "'score'", "train on")


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_missing(run, part):
    (best(run) / f"{part}.ckpt").unlink()
    refused(run, "not complete", f"{part}.ckpt")


def test_a_part_of_another_shape(run):
    other = torch.nn.Sequential(
        torch.nn.Linear(32, 7), torch.nn.ReLU(), torch.nn.Linear(7, 7)
    )
    torch.save(other.state_dict(), best(run) / "audio_projection.ckpt")
    refused(run, "audio_projection.ckpt", "is [7, 32] in the file and [12, 32]")


def test_a_part_with_other_names(run):
    torch.save({"strange": torch.zeros(1)}, best(run) / "logit_scale.ckpt")
    refused(run, "logit_scale.ckpt", "strange", "log_scale")


@pytest.mark.parametrize("content", [b"", b"no checkpoint at all", None])
def test_a_part_that_is_corrupt(run, content):
    path = best(run) / "audio_encoder.ckpt"
    path.write_bytes(path.read_bytes()[:2000] if content is None else content)
    refused(run, "audio_encoder.ckpt")


def test_a_part_that_would_run_code(run, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"log_scale": Evil()}, best(run) / "logit_scale.ckpt")
    refused(run, "logit_scale.ckpt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "evil",
    [
        "!apply:os.system ['touch TRACE']",
        "!new:subprocess.Popen\n  args: [touch, TRACE]",
        "!name:os.system",
    ],
)
def test_a_description_that_would_run_code(run, tmp_path, evil):
    """A folder may come from elsewhere, as a checkpoint may."""
    trace = tmp_path / "trace"
    path = run / "model.yaml"
    lines = path.read_text().replace("joint_dim: 12", "joint_dim: DIM", 1)
    assert "joint_dim: DIM" in lines
    text = evil.replace("TRACE", str(trace))
    path.write_text(lines.replace("joint_dim: DIM", "joint_dim: 12") + f"x: {text}\n")
    open_checkpoint(run)  # what no part needs is not looked at
    path.write_text(lines.replace("joint_dim: DIM", "joint_dim: " + text))
    refused(run, "model.yaml")
    assert not trace.exists()


@pytest.mark.parametrize("text", ["", "[]", "a: [", "system: x", "system: !new:x"])
def test_a_description_that_is_none(run, text):
    (run / "model.yaml").write_text(text)
    refused(run, "model.yaml")


@pytest.mark.parametrize("text", ["", "[]", "a: [", "score: 1.0", "score: high"])
def test_a_checkpoint_whose_notes_are_damaged(run, text):
    (best(run) / "CKPT.yaml").write_text(text)
    refused(run, "CKPT.yaml is damaged")
