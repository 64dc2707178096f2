"""A student is taught, interrupted, exported and compared, as a user runs it."""

from __future__ import annotations

import csv
import json
import os
import runpy
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import torch.nn.functional as F
from naive import naive_agreement
from recipe_table import assert_checks, results, rows
from scripts import ROOT, Finished, command, run_script
from small_run import write_run

from clap_sb.checkpoints.audio_weights import load_audio_weights
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.open_checkpoint import open_checkpoint
from clap_sb.checkpoints.run_folder import PARTS
from clap_sb.config import ConfigError
from clap_sb.data.manifest import read_manifest
from clap_sb.encoders.mobilenet import MobileNetV3
from clap_sb.evaluation.embedding import embed_clips
from clap_sb.features import LogMel
from clap_sb.inference import CLAP
from clap_sb.inference.conversion import convert, inform

SCRIPT = "recipes/Distill/train.py"
SYSTEM = "hparams/student.yaml"
RATE = 8000
PREFIXES = [2, 6]
LABELS = ["dog", "rain"]
TINY = {
    "sample_rate": RATE,
    "clip_samples": 12000,
    "log_mel": "{n_fft: 256, hop_length: 160, n_mels: 32, f_max: 4000}",
    "width": 0.125,
    "audio_dim": 96,
    "batch_size": 4,
    "number_of_epochs": 2,
    "warmup_steps": 1,
    "views": 2,
    "prefixes": str(PREFIXES),
    "valid_share": 0.2,
    "best_metric": "cosine",
    "num_resamples": 20,
    "device": "cpu",
    "noprogressbar": None,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("distill")


@pytest.fixture(scope="module")
def teacher(place) -> Path:
    (place / "teacher").mkdir()
    write_run(place / "teacher", place / "text", {1: 1.0})
    return place / "teacher"


@pytest.fixture(scope="module")
def sounds(place) -> Path:
    """Fourteen sounds of one to three seconds, a file that is none, and a list."""
    folder = place / "sounds"
    (folder / "more").mkdir(parents=True)
    drawn = np.random.RandomState(1)
    for number in range(14):
        time = np.arange(RATE + number * 1200) / RATE
        tone = np.sin(2 * np.pi * (200 + 150 * number) * time)
        wav = 0.2 * tone + 0.02 * drawn.standard_normal(len(time))
        name = f"more/{number}.wav" if number % 2 else f"{number}.wav"
        soundfile.write(folder / name, wav, RATE)
    (folder / "broken.wav").write_bytes(b"no sound")
    with open(folder / "labels.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label"])
        writer.writerows([[f"{n}.wav", LABELS[n // 4]] for n in (0, 2, 4, 6)])
    return folder


def asked(folder: Path, who: Path, sounds: Path, **settings) -> list[str]:
    """The words of a command; a setting that is empty is left out."""
    given = {
        **TINY,
        "teacher": who,
        "audio_folder": sounds,
        "labels_csv": sounds / "labels.csv",
        "output_folder": folder,
        **settings,
    }
    return command(SYSTEM, {k: v for k, v in given.items() if v != ""})


def teach(folder: Path, teacher: Path, sounds: Path, prepare=None, **settings):
    words = asked(folder, teacher, sounds, **settings)
    return run_script(SCRIPT, words, folder.with_suffix(".log"), prepare)


@pytest.fixture(scope="module")
def taught(place, teacher, sounds) -> tuple[Path, Finished]:
    return place / "run", teach(place / "run", teacher, sounds)


def weights(run: Path) -> dict[str, torch.Tensor]:
    (saved,) = {path.parent for path in run.glob("save/CKPT+*/audio_encoder.ckpt")}
    return {
        f"{name}.{key}": value
        for name in PARTS
        for key, value in torch.load(saved / f"{name}.ckpt").items()
    }


def test_it_leaves_what_a_training_leaves(taught):
    folder, finished = taught
    assert finished.code == 0, finished.output
    assert "1 of 15 clips are left out" in finished.output
    assert "8 sounds to train, 2 sounds to valid, 4 sounds to test" in finished.output
    (row,) = rows(SCRIPT)
    assert_checks(row, folder, finished)
    history = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    assert {"train_loss", "valid_loss", "cosine", "neighbours"} <= set(history[-1])
    # each view of a clip in one file: eight clips fit into one
    assert len(list((folder / "lessons").iterdir())) == TINY["views"]


def test_the_held_out_sounds_are_not_taught_with(taught):
    folder, _ = taught
    manifests = folder / "manifests"
    held = {Path(clip.path).name for clip in read_manifest(manifests / "test.json")}
    assert held == {"0.wav", "2.wav", "4.wav", "6.wav"}


def test_the_export_is_an_ordinary_checkpoint(taught, teacher):
    folder, _ = taught
    student = CLAP.from_hparams(folder / "export")
    theirs = open_checkpoint(teacher).clap
    with torch.no_grad():
        text = theirs.encode_text(["a dog barks", "rain"])
    axes = torch.load(folder / "export" / "text_projection.ckpt")["axes"]
    torch.testing.assert_close(axes @ axes.T, torch.eye(len(axes)), atol=1e-5, rtol=0)
    found = student.encode_text(["a dog barks", "rain"])
    torch.testing.assert_close(found, text @ axes.T, atol=1e-5, rtol=0)
    # a rotation changes no similarity
    torch.testing.assert_close(found @ found.T, text @ text.T, atol=1e-5, rtol=0)
    audio = student.encode_audio(torch.randn(1, RATE), sample_rate=RATE)
    torch.testing.assert_close(audio.norm(dim=1), torch.ones(1))


def test_the_reported_agreement_is_that_of_the_two_models(taught, teacher):
    folder, _ = taught
    clips = read_manifest(folder / "manifests" / "test.json")
    student, theirs = (
        open_checkpoint(path).clap for path in (folder / "export", teacher)
    )
    ours, taught_by = (
        embed_clips(clap, clips, with_captions=False).audio
        for clap in (student, theirs)
    )
    prompts = [f"This is a sound of {label}." for label in LABELS]
    with torch.no_grad():
        texts = student.encode_text(prompts), theirs.encode_text(prompts)
    axes = student.text_projection.axes
    turned = taught_by @ axes.T, texts[0], texts[1] @ axes.T
    expected = naive_agreement(ours, *turned, nearest=3)
    report = results(folder, "agreement")
    for name, value in expected.items():
        assert report[name] == pytest.approx(value, abs=1e-4)
    right = [0, 0, 1, 1]
    for name, audio, text in (
        ("student", ours, texts[0]),
        ("teacher", taught_by, texts[1]),
    ):
        guesses = (audio @ text.T).argmax(1).tolist()
        hits = sum(guess == label for guess, label in zip(guesses, right, strict=True))
        assert report[f"{name}_accuracy"] == 100 * hits / 4
    sizes = report["tables"]["Prefixes"]
    assert [row["numbers"] for row in sizes] == [*PREFIXES, 12]
    short, same = (F.normalize(x[:, :2], dim=1) for x in (ours, taught_by @ axes.T))
    assert sizes[0]["cosine"] == pytest.approx(
        (short * same).sum(1).mean().item(), abs=1e-4
    )
    card = (folder / "export" / "README.md").read_text(encoding="utf-8")
    told = ("neighbours", "by_text", "student_accuracy", "teacher_accuracy")
    assert all(f"`{name}`" in card for name in told)
    assert f"| `cosine` | {report['cosine']:.3f} |" in card


def test_the_first_axes_say_most(taught):
    """Of the teacher's embeddings of the lessons, in the turned space."""
    from safetensors.torch import load_file

    folder, _ = taught
    axes = torch.load(folder / "export" / "text_projection.ckpt")["axes"]
    parts = [load_file(path) for path in (folder / "lessons").iterdir()]
    turned = torch.cat([part["target"] for part in parts]) @ axes.T
    energy = turned.square().mean(0)
    assert (energy.diff() <= 1e-6).all()


def test_short_embeddings_are_the_first_numbers(taught, place):
    folder, _ = taught
    convert(folder, place / "short", "speechbrain", dimensions=6)
    whole, short = (
        CLAP.from_hparams(path) for path in (folder / "export", place / "short")
    )
    wav = torch.randn(2, RATE, generator=torch.Generator().manual_seed(1))
    for found, expected in (
        (short.encode_text(["rain"]), whole.encode_text(["rain"])),
        (short.encode_audio(wav, RATE), whole.encode_audio(wav, RATE)),
    ):
        cut = F.normalize(expected[:, :6], dim=1)
        torch.testing.assert_close(found, cut, atol=1e-5, rtol=0)
    assert inform(place / "short").joint_dim == 6
    # again, of what is short already
    convert(place / "short", place / "shorter", "speechbrain", dimensions=2)
    text = CLAP.from_hparams(place / "shorter").encode_text(["rain"])
    cut = F.normalize(whole.encode_text(["rain"])[:, :2], dim=1)
    torch.testing.assert_close(text, cut, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("source", "size", "told"),
    [("teacher", 6, "Teach a student with --prefixes"), ("run", 12, "1 to 11")],
)
def test_what_cannot_be_cut_is_told(source, size, told, taught, teacher, place):
    with pytest.raises(CheckpointError, match=told):
        convert(place / source, place / "none", "speechbrain", dimensions=size)


def test_another_student_may_start_from_it(taught):
    folder, _ = taught
    log_mel = LogMel(RATE, n_fft=512, hop_length=80, n_mels=32, f_max=4000.0)
    tower = MobileNetV3(log_mel, RATE, table="small", width=0.125)
    load_audio_weights(tower, folder / "export")
    theirs = torch.load(folder / "export" / "audio_encoder.ckpt")
    own = tower.state_dict()
    taken = [key for key in own if not key.startswith("log_mel.")]
    assert all(torch.equal(own[key], theirs[key]) for key in taken)
    assert own["log_mel.mel_filters"].shape != theirs["log_mel.mel_filters"].shape


def die_after_one_epoch() -> None:
    from clap_sb.distillation.student_brain import StudentBrain

    finish = StudentBrain._finish_epoch

    def finish_and_die(self, epoch, valid):
        finish(self, epoch, valid)
        os.kill(os.getpid(), signal.SIGKILL)

    StudentBrain._finish_epoch = finish_and_die


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_killed_run_ends_with_the_same_bits(taught, place, teacher, sounds):
    folder = place / "killed"
    # the lessons are shared: they are not computed again
    shared = {"lessons_folder": taught[0] / "lessons"}
    killed = teach(folder, teacher, sounds, die_after_one_epoch, **shared)
    assert killed.code == -signal.SIGKILL, killed.output
    finished = teach(folder, teacher, sounds, **shared)
    assert finished.code == 0, finished.output
    found, expected = weights(folder), weights(taught[0])
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.fixture(scope="module")
def again(taught, place) -> Path:
    return shutil.copytree(taught[0], place / "again")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"views": 3}, r"lessons.views \(2 there, 3 here\)"),
        ({"prefixes": "[]"}, "TurnedProjection there"),
        ({"joint_dim": 8}, "joint_dim cannot be set together with --teacher"),
        ({"prefixes": "[12]"}, "prefixes are sizes from 1 to 11"),
        ({"teacher": ""}, "who teaches. Give --teacher CHECKPOINT"),
        ({"audio_folder": ""}, "Give --audio_folder FOLDER"),
        ({"init": "export"}, "start its audio tower by --audio_weights"),
    ],
)
def test_another_run_is_refused(settings, told, again, teacher, sounds):
    words = asked(again, teacher, sounds, **settings)
    with pytest.raises(ConfigError, match=told):
        runpy.run_path(str(ROOT / SCRIPT))["main"](words)
