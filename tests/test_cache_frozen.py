"""Frozen towers computed once: the numbers of training are those without the cache."""

from __future__ import annotations

import copy
import functools
import json
import os
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import (
    CAPTIONS,
    CLIP_SAMPLES,
    SAMPLE_RATE,
    amplify,
    tiny_clap,
    tiny_htsat,
)
from recipe_table import results
from scripts import TINY, TRAIN, command, run_script
from speechbrain import Stage
from test_brain import BATCH, loader_options, make_brain

import clap_sb.data.pairs
import clap_sb.data.whole_clips
from clap_sb.brain import CLAPBrain
from clap_sb.config import ConfigError
from clap_sb.data.builtin import write_audiocaps
from clap_sb.data.kept_rows import KeptRows
from clap_sb.data.manifest import Clip, write_manifest
from clap_sb.data.pairs import PairDataset
from clap_sb.data.whole_clips import WholeClipDataset, WindowCollate
from clap_sb.encoders.projection import MLPProjection
from clap_sb.encoders.spec_augment import SpecAugment
from clap_sb.model import CLAP
from clap_sb.objectives.logit_scale import LogitScale
from clap_sb.objectives.multi_positive import MultiPositive

EPOCHS = 20
ADAM = torch.optim.Adam
# Adam makes a step of rounding errors alone, where a gradient is next to nothing
SGD = functools.partial(torch.optim.SGD, momentum=0.9)


def write_clips(folder: Path, seconds: list[float], seed: int = 0) -> list[Clip]:
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    clips = []
    for index, length in enumerate(seconds):
        path = folder / f"{index}.wav"
        noise = rng.normal(size=int(length * SAMPLE_RATE)) * rng.uniform(0.01, 0.3)
        tone = np.sin(np.arange(len(noise)) * rng.uniform(0.05, 1.5))
        soundfile.write(path, noise + 0.3 * tone, SAMPLE_RATE)
        captions = tuple(f"{CAPTIONS[index % 6]} {index} {n}" for n in range(3))
        clips.append(Clip(str(index), str(path), length, captions))
    return clips


@pytest.fixture(scope="module")
def short(tmp_path_factory) -> list[Clip]:
    seconds = [0.3 + 0.2 * (index % 5) for index in range(11)]
    return write_clips(tmp_path_factory.mktemp("short"), seconds)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory) -> list[Clip]:
    """Every third is longer than the window of 2.5 s."""
    seconds = [0.5 + 0.1 * index + 2.5 * (index % 3 == 1) for index in range(11)]
    return write_clips(tmp_path_factory.mktemp("mixed"), seconds, seed=1)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, CLAP]:
    """Amplified, with SpecAugment, drop-path and dropout where a tower is trained."""
    found = {}
    for name in ("audio", "text", "both", "neither"):
        audio = tiny_htsat(
            drop_path=0.3,
            spec_augment=SpecAugment(),
            freeze=name in ("audio", "both"),
        )
        folder = tmp_path_factory.mktemp(name)
        found[name] = tiny_clap(folder, audio, freeze=name in ("text", "both"))
    # captions are all padded to one length
    folder = tmp_path_factory.mktemp("padded")
    text = {"freeze": True, "pooling": "mean_padded"}
    found["padded"] = tiny_clap(folder, tiny_htsat(freeze=True), **text)
    return found


class Stopped(Exception):
    """A run that was killed."""


def brain_for(
    model: CLAP,
    folder: Path,
    cache: bool = True,
    epochs: int = EPOCHS,
    run_opts: dict | None = None,
    brain_class: type[CLAPBrain] = CLAPBrain,
    opt_class=ADAM,
    rate: float = 0.003,
    **hparams,
) -> CLAPBrain:
    rates = dict.fromkeys(("lr", "audio_lr", "text_lr"), rate)
    folder.mkdir(parents=True, exist_ok=True)
    return make_brain(
        copy.deepcopy(model),
        folder,
        opt_class=opt_class,
        run_opts=run_opts,
        epochs=epochs,
        brain_class=brain_class,
        **{"cache_frozen": cache, "best_metric": "epoch", **rates, **hparams},
    )


def options(brain: CLAPBrain) -> dict:
    collate = WindowCollate(brain.clap.clip_samples, brain.clap.takes_whole_clips)
    return {"batch_size": BATCH, "collate_fn": collate}


def train(
    brain: CLAPBrain,
    clips: list[Clip],
    valid: list[Clip] | None = None,
    policy: str = "random",
    **loader,
) -> dict[str, torch.Tensor]:
    """Trains; gives the weights."""
    clap = brain.clap
    whole = {"whole_clips": clap.takes_whole_clips, "caption_policy": policy}
    brain.fit(
        brain.hparams.epoch_counter,
        PairDataset(clips, clap.sample_rate, clap.clip_samples, seed=7, **whole),
        None if valid is None else WholeClipDataset(valid, clap.sample_rate),
        train_loader_kwargs=loader_options(brain, **loader),
        valid_loader_kwargs=options(brain),
    )
    return {name: value.clone() for name, value in clap.state_dict().items()}


def difference(one: dict, other: dict) -> float:
    assert one.keys() == other.keys()
    return max(
        float((one[name].double() - other[name].double()).abs().max()) for name in one
    )


def assert_same_losses(one: list[dict], other: list[dict]) -> None:
    for row, expected in zip(one, other, strict=True):
        for name in ("train_loss", "valid_loss"):
            assert row[name] == pytest.approx(expected[name], abs=1e-5), name


def moved(model: CLAP, weights: dict) -> float:
    return difference(weights, model.state_dict())


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """Files that were read, in this process."""
    seen: list[str] = []
    for module in (clap_sb.data.pairs, clap_sb.data.whole_clips):
        read = module.read_wav

        def noted(path, *rest, read=read):
            seen.append(Path(path).name)
            return read(path, *rest)

        monkeypatch.setattr(module, "read_wav", noted)
    return seen


def calls(module: torch.nn.Module) -> list[int]:
    """Fills with the number of rows of each call."""
    seen: list[int] = []
    module.register_forward_hook(lambda _, args, out: seen.append(len(out)))
    return seen


CASES = [
    ("audio", "short", "random"),
    ("text", "short", "random"),
    ("both", "short", "random"),
    ("both", "mixed", "random"),
    ("audio", "mixed", "all"),
    ("both", "mixed", "all"),
]


@pytest.mark.parametrize(("frozen", "of", "policy"), CASES)
def test_the_weights_are_those_without(
    models, frozen, of, policy, tmp_path, request, reads, capsys
):
    clips = request.getfixturevalue(of)
    more = {"opt_class": SGD, "rate": 0.03}
    if policy == "all":
        more["objective"] = MultiPositive()
    plain = brain_for(models[frozen], tmp_path / "plain", False, **more)
    expected = train(plain, clips, clips[:5], policy)
    reads.clear()
    brain = brain_for(models[frozen], tmp_path / "cached", **more)
    heard, read = calls(brain.clap.audio_encoder), calls(brain.clap.text_encoder)
    weights = train(brain, clips, clips[:5], policy)
    assert moved(models[frozen], weights) > 0.02
    assert difference(weights, expected) < 1e-6
    rows = [h.hparams.history.rows for h in (plain, brain)]
    assert_same_losses(*rows)
    told = capsys.readouterr().out
    if frozen != "text":
        long = [clip.id for clip in clips if clip.duration > CLIP_SAMPLES / SAMPLE_RATE]
        known = [f"{clip.id}.wav" for clip in clips if clip.id not in long]
        # once for training, once for validation
        assert max(reads.count(name) for name in known) == 2
        assert f"{len(known)} of {len(clips)} clips are heard whole: cached" in told
        assert ("read each epoch" in told) == bool(long)
        assert all(reads.count(f"{name}.wav") > EPOCHS // 2 for name in long)
    if frozen != "audio":
        assert "33 captions: cached" in told
        assert len(read) < 2 + 10 + 5  # the probe, training, validation
    if frozen == "both" and of == "short":
        assert len(heard) < 2 + 4 + 3


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("frozen", ["audio", "padded"])
def test_bits_where_batches_are_of_one_shape(
    models, frozen, precision, short, tmp_path
):
    """Clips fill a window; captions are padded to the longest, as a rule."""
    ends = []
    for cache in (False, True):
        options = {"precision": precision, "eval_precision": precision}
        brain = brain_for(models[frozen], tmp_path / f"{cache}", cache, 6, options)
        weights = train(brain, short, short[:6])
        ends.append((weights, brain.hparams.history.rows))
    assert moved(models[frozen], ends[0][0]) > 0.005
    assert difference(ends[0][0], ends[1][0]) == 0
    assert ends[0][1] == ends[1][1]


def test_bf16_is_not_fp32(models, short, tmp_path):
    """What is kept in one file is of one precision."""
    ends = []
    for precision in ("bf16", "fp32"):
        options = {"precision": precision, "eval_precision": precision}
        shared = {"frozen_folder": str(tmp_path / "shared")}
        folder = tmp_path / precision
        brain = brain_for(models["padded"], folder, True, 1, options, **shared)
        ends.append(train(brain, short))
    assert difference(*ends) > 1e-5
    assert len(list(tmp_path.glob("shared/audio_encoder_*"))) == 2


def test_workers_read_what_is_not_known(models, mixed, tmp_path):
    expected = train(brain_for(models["both"], tmp_path / "a", False, 3), mixed)
    brain = brain_for(models["both"], tmp_path / "b", True, 3)
    assert difference(train(brain, mixed, num_workers=1), expected) < 1e-6
    assert brain.train_loader.num_workers == 1


class Interrupted(CLAPBrain):
    """Is killed in the middle of the third epoch."""

    def on_fit_batch_start(self, batch, should_step):
        if (self.epoch, self.step) == (3, 2):
            raise Stopped
        super().on_fit_batch_start(batch, should_step)


@pytest.mark.parametrize("of", ["short", "mixed"])
def test_going_on_gives_the_same_bits(models, of, tmp_path, request, reads):
    clips = request.getfixturevalue(of)
    expected = train(brain_for(models["both"], tmp_path / "whole", epochs=5), clips)
    steps = {"ckpt_interval_steps": 1}
    first = brain_for(
        *(models["both"], tmp_path / "run", True, 5, steps), brain_class=Interrupted
    )
    with pytest.raises(Stopped):
        train(first, clips)
    reads.clear()
    second = brain_for(models["both"], tmp_path / "run", epochs=5)
    weights = train(second, clips)
    assert second.epoch == 5
    assert difference(weights, expected) == 0
    if of == "short":
        assert reads == []


def test_killed_before_all_is_kept(models, short, tmp_path, monkeypatch):
    expected = train(brain_for(models["both"], tmp_path / "whole", epochs=3), short)
    with monkeypatch.context() as patch:

        def stop(self, *args):
            raise Stopped

        patch.setattr(KeptRows, "save", stop)
        with pytest.raises(Stopped):
            train(brain_for(models["both"], tmp_path / "run", epochs=3), short)
    assert not (tmp_path / "run" / "frozen").exists()
    weights = train(brain_for(models["both"], tmp_path / "run", epochs=3), short)
    assert difference(weights, expected) == 0


def test_switched_on_and_off_in_one_run(models, short, tmp_path):
    expected = train(brain_for(models["padded"], tmp_path / "whole", False, 5), short)
    first = brain_for(
        *(models["padded"], tmp_path / "run", False, 5), brain_class=Interrupted
    )
    with pytest.raises(Stopped):
        train(first, short)
    weights = train(brain_for(models["padded"], tmp_path / "run", True, 5), short)
    assert difference(weights, expected) == 0


def test_sets_and_loaders_are_as_before_afterwards(models, short, tmp_path):
    """Another Brain may train on them, and this one go on."""
    dataset = PairDataset(short, SAMPLE_RATE, CLIP_SAMPLES, seed=7)
    ends = []
    for place, cache in enumerate((False, True, False)):
        brain = brain_for(models["padded"], tmp_path / f"{place}", cache, 3)
        counter, kwargs = brain.hparams.epoch_counter, loader_options(brain)
        whole = WholeClipDataset(short[:4], SAMPLE_RATE)
        valid = brain.make_dataloader(whole, Stage.VALID, **options(brain))
        train_set = brain.make_dataloader(dataset, Stage.TRAIN, **kwargs)
        brain.fit(counter, train_set, valid)
        assert len(next(iter(valid)).windows[0]) == CLIP_SAMPLES
        train_set.sampler.set_epoch(1)
        batch = next(iter(train_set))
        assert batch.wavs.shape[1] > 1000 and batch.tokens
        brain.fit([4, 5], train_set, valid)
        ends.append({k: v.clone() for k, v in brain.clap.state_dict().items()})
    assert moved(models["padded"], ends[0]) > 0.005
    assert difference(ends[0], ends[1]) == difference(ends[0], ends[2]) == 0


def test_towers_that_take_whole_clips(models, mixed, tmp_path, reads):
    """All clips are heard whole there."""
    audio = tiny_htsat(freeze=True, fusion="aff_2d")
    model = tiny_clap(tmp_path / "text", audio, freeze=True)
    sgd = {"opt_class": SGD, "rate": 0.03}
    plain = brain_for(model, tmp_path / "plain", False, 4, **sgd)
    expected = train(plain, mixed, mixed[:4])
    reads.clear()
    brain = brain_for(model, tmp_path / "cached", True, 4, **sgd)
    assert difference(train(brain, mixed, mixed[:4]), expected) < 1e-6
    assert moved(model, expected) > 0.01
    assert len(reads) == len(mixed) + 4
    assert_same_losses(plain.hparams.history.rows, brain.hparams.history.rows)


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
def test_names_that_are_no_unicode(models, short, tmp_path, reads):
    own = copied(short, tmp_path / "own")
    name = os.fsdecode(os.fsencode(tmp_path) + b"/own/\xff.wav")
    shutil.move(own[0].path, name)
    own[0] = replace(own[0], path=name)
    train(brain_for(models["both"], tmp_path / "run", epochs=2), own, own[:3])
    assert len(reads) == len(own) + 3


# ---------------------------------------------------------------- what is kept


def test_another_run_and_a_test_compute_nothing(models, mixed, short, tmp_path, reads):
    """Other rates, one folder; then the best checkpoint by a command of its own."""
    shared = {"frozen_folder": str(tmp_path / "shared")}
    first = brain_for(models["both"], tmp_path / "one", epochs=2, **shared)
    train(first, short, mixed[:5])
    scores = first.evaluate(
        WholeClipDataset(mixed[5:], SAMPLE_RATE), test_loader_kwargs=options(first)
    )
    reads.clear()
    other = brain_for(models["both"], tmp_path / "two", epochs=2, rate=0.01, **shared)
    heard, read = calls(other.clap.audio_encoder), calls(other.clap.text_encoder)
    weights = train(other, short, mixed[:5])
    plain = brain_for(models["both"], tmp_path / "three", False, 2, rate=0.01)
    assert reads == []
    assert heard == read == [2, 2]  # the probe
    assert difference(weights, train(plain, short, mixed[:5])) < 1e-5
    reads.clear()
    again = brain_for(models["both"], tmp_path / "one", epochs=2, **shared)
    whole = WholeClipDataset(mixed[5:], SAMPLE_RATE)
    assert again.evaluate(whole, test_loader_kwargs=options(again)) == scores
    assert reads == []
    assert torch.equal(again.embedded.audio, first.embedded.audio)
    assert torch.equal(again.embedded.text, first.embedded.text)
    assert again.embedded.captions == first.embedded.captions
    assert torch.equal(again.embedded.caption_clip, first.embedded.caption_clip)


def test_a_changed_file_is_heard_anew(models, short, tmp_path, reads):
    own = copied(short, tmp_path / "own")
    train(brain_for(models["both"], tmp_path / "a", epochs=2), own, own[:3])
    other = write_clips(tmp_path / "others", [0.7], seed=9)[0]
    shutil.copy(other.path, own[1].path)
    reads.clear()
    plain = brain_for(models["both"], tmp_path / "b", False, 2)
    expected = train(plain, own, own[:3])
    reads.clear()
    folder = {"frozen_folder": str(tmp_path / "a" / "frozen")}
    brain = brain_for(models["both"], tmp_path / "c", epochs=2, **folder)
    weights = train(brain, own, own[:3])
    # once in training; all of validation, whose batch it is in
    assert sorted(reads) == sorted(["1.wav", "0.wav", "1.wav", "2.wav"])
    assert difference(weights, expected) < 1e-5
    rows = [run.hparams.history.rows for run in (plain, brain)]
    assert rows[0][-1]["valid_loss"] == pytest.approx(rows[1][-1]["valid_loss"])


def copied(clips: list[Clip], folder: Path) -> list[Clip]:
    folder.mkdir()
    return [
        replace(clip, path=shutil.copy2(clip.path, folder / Path(clip.path).name))
        for clip in clips
    ]


class Spoiling(CLAPBrain):
    """A file is gone before the third epoch, another is other sounds."""

    def on_stage_start(self, stage, epoch=None):
        if stage.name == "TRAIN" and epoch == 3:
            Path(self.hparams.spoilt[0].path).unlink()
            path = self.hparams.spoilt[1].path
            shutil.copy(self.hparams.spoilt[2].path, path)
        super().on_stage_start(stage, epoch)


def test_files_that_change_while_training_goes_on(models, short, tmp_path):
    ends = []
    other = write_clips(tmp_path / "others", [0.7], seed=9)[0]
    for cache in (False, True):
        own = copied(short, tmp_path / f"own {cache}")
        brain = brain_for(
            *(models["padded"], tmp_path / f"{cache}", cache, 5),
            brain_class=Spoiling,
            spoilt=[own[4], own[2], other],
        )
        weights = train(brain, own, own[2:6])
        ends.append((weights, brain.hparams.history.rows))
    assert difference(ends[0][0], ends[1][0]) < 1e-6
    assert_same_losses(ends[0][1], ends[1][1])


def test_files_that_cannot_be_read(models, short, tmp_path, caplog):
    """The next clip takes their place; one is mended while training goes on."""
    ends = []
    for cache in (False, True):
        own = copied(short, tmp_path / f"own {cache}")
        Path(own[4].path).write_bytes(b"no sound")
        Path(own[0].path).unlink()
        brain = brain_for(
            *(models["padded"], tmp_path / f"{cache}", cache, 5),
            brain_class=Mending,
            mended=(short[0], own[0]),
        )
        weights = train(brain, own, own[:6])
        rows = brain.hparams.history.rows
        ends.append((weights, rows, brain.embedded.unreadable.keys()))
    assert difference(ends[0][0], ends[1][0]) < 1e-6
    assert_same_losses(ends[0][1], ends[1][1])
    assert ends[0][2] == ends[1][2] == {"4"}


class Mending(CLAPBrain):
    """A file that was missing is there from the third epoch on."""

    def on_stage_start(self, stage, epoch=None):
        if stage.name == "TRAIN" and epoch == 3:
            good, bad = self.hparams.mended
            shutil.copy(good.path, bad.path)
        super().on_stage_start(stage, epoch)


def test_silent_clips_are_told_of_from_the_file_too(models, short, tmp_path):
    import soundfile

    own = copied(short, tmp_path / "own")
    soundfile.write(own[2].path, np.zeros(4000), SAMPLE_RATE)
    for _ in range(2):
        brain = brain_for(models["both"], tmp_path / "run", epochs=1)
        train(brain, own)
        whole = WholeClipDataset(own[:6], SAMPLE_RATE)
        brain.evaluate(whole, test_loader_kwargs=options(brain))
        assert brain.embedded.silent == ["2"]


@pytest.mark.parametrize("kind", ["cut", "flipped", "empty", "other"])
def test_a_damaged_file_is_told_of_and_made_again(
    models, short, tmp_path, kind, reads, caplog
):
    expected = train(brain_for(models["both"], tmp_path / "one", epochs=2), short)
    files = list(tmp_path.glob("one/frozen/*.safetensors"))
    assert len(files) == 2
    for path in files:
        content = bytearray(path.read_bytes())
        content[-100] ^= 1
        other = {"cut": content[:-50], "flipped": content, "empty": b""}
        path.write_bytes(other.get(kind, b"no safetensors at all"))
    reads.clear()
    shared = {"frozen_folder": str(tmp_path / "one" / "frozen")}
    brain = brain_for(models["both"], tmp_path / "two", epochs=2, **shared)
    assert difference(train(brain, short), expected) == 0
    assert len(reads) == len(short)
    assert caplog.text.count("is damaged, and made again") == 2
    reads.clear()
    again = brain_for(models["both"], tmp_path / "three", epochs=2, **shared)
    assert difference(train(again, short), expected) == 0
    assert reads == []


def test_other_weights_have_another_file(models, short, tmp_path, reads):
    other = copy.deepcopy(models["both"])
    amplify(other.audio_encoder, seed=3)
    shared = {"frozen_folder": str(tmp_path / "shared")}
    for place, model in enumerate((models["both"], other)):
        reads.clear()
        train(brain_for(model, tmp_path / f"{place}", epochs=1, **shared), short)
        assert len(reads) == len(short)
    assert len(list(tmp_path.glob("shared/audio*"))) == 2
    assert len(list(tmp_path.glob("shared/text*"))) == 1


# ------------------------------------------------------------- towers and errors


class Pitch(torch.nn.Module):
    """A user's tower: some numbers of the waveform, and a layer."""

    takes_whole_clips = False

    def __init__(self, freeze: bool = True, stays: bool = True, draws: bool = False):
        super().__init__()
        self.sample_rate, self.clip_samples = SAMPLE_RATE, CLIP_SAMPLES
        self.embedding_dim = 32
        self.layer = torch.nn.Sequential(
            torch.nn.Linear(3, 32), torch.nn.Dropout(0.5), torch.nn.Tanh()
        )
        self.factor, self.stays, self.draws = [1.0], stays, draws
        if freeze:
            self.requires_grad_(False)

    def train(self, mode: bool = True):
        return super().train(mode and not self.stays)

    def forward(self, wavs, wav_lens):
        ends = (wav_lens * wavs.shape[1]).round().to(wavs)
        crossings = (wavs[:, 1:] * wavs[:, :-1] < 0).sum(1)
        told = [wavs.square().sum(1) / ends * 9, crossings / ends, ends / 20000]
        x = self.layer(torch.stack(told, 1)) * self.factor[0]
        return x + torch.rand(1) if self.draws else x


def with_tower(model: CLAP, **options) -> CLAP:
    heads = MLPProjection(32, 12), MLPProjection(16, 12)
    text = copy.deepcopy(model.text_encoder)
    return amplify(CLAP(Pitch(**options), text, *heads, LogitScale()))


def test_a_tower_of_ones_own(models, mixed, tmp_path, reads):
    model = with_tower(models["neither"])
    sgd = {"opt_class": SGD, "rate": 0.03}
    plain = brain_for(model, tmp_path / "plain", False, 6, **sgd)
    expected = train(plain, mixed, mixed[:4])
    reads.clear()
    brain = brain_for(model, tmp_path / "cached", True, 6, **sgd)
    weights = train(brain, mixed, mixed[:4])
    assert moved(model, weights) > 0.01
    assert difference(weights, expected) < 1e-6
    assert_same_losses(plain.hparams.history.rows, brain.hparams.history.rows)
    assert reads.count("9.wav") == 1 and reads.count("1.wav") > 2


def test_a_tower_whose_code_was_changed(models, short, tmp_path, reads, caplog):
    """Its fingerprint is the same: no number of it has changed."""
    first, other = with_tower(models["neither"]), with_tower(models["neither"])
    other.audio_encoder.factor = [-1.0]
    shared = {"frozen_folder": str(tmp_path / "shared")}
    for place, model in enumerate((first, other, other)):
        reads.clear()
        train(brain_for(model, tmp_path / f"{place}", epochs=1, **shared), short)
        assert len(reads) == (0 if place == 2 else len(short))
    assert caplog.text.count("is of a tower that gave others, and made again") == 1
    assert len(list(tmp_path.glob("shared/audio*"))) == 1


def unchanged(wavs, wav_lens):
    return wavs


NOTHING = [
    ("neither", {}, r"audio_encoder: it is trained \(--freeze_audio.*; text_enc"),
    ("text", {"wav_augment": unchanged}, None),
    ("audio", {"wav_augment": unchanged}, "wav_augment changes .*--freeze_t"),
    ("both", {"wav_augment": unchanged}, None),
]


@pytest.mark.parametrize(("frozen", "hparams", "message"), NOTHING)
def test_nothing_to_keep_is_told(
    models, short, tmp_path, frozen, hparams, message, capsys, caplog
):
    brain = brain_for(models[frozen], tmp_path, epochs=1, **hparams)
    train(brain, short)
    if message is None:
        assert "encoder is computed in each step: " in capsys.readouterr().out
        return
    assert re.search(f"cache_frozen has nothing .*{message}", caplog.text)
    assert brain.optimizer_step > 0 and not (tmp_path / "frozen").exists()


def test_clips_that_are_all_too_long_are_told(models, mixed, tmp_path, caplog):
    long = [clip for clip in mixed if clip.duration > 2.5]
    train(brain_for(models["audio"], tmp_path, epochs=1), long)
    assert "are longer than 2.5 s" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [({"stays": False}, "not in eval mode"), ({"draws": True}, "something else")],
)
def test_towers_that_change(models, short, tmp_path, options, message, caplog):
    brain = brain_for(with_tower(models["neither"], **options), tmp_path, epochs=1)
    if "draws" in options:
        with pytest.raises(ConfigError, match=message):
            train(brain, short)
        return
    train(brain, short)
    assert message in caplog.text


class Louder(PairDataset):
    """A user's set, that draws a loudness."""


class Mixing(CLAPBrain):
    """A user's Brain, that mixes the waveforms of a batch."""

    def compute_forward(self, batch, stage):
        return self.modules.clap(batch.wavs.flip(0), batch.wav_lens, batch.tokens)


class Other(CLAP):
    """A user's model."""


@pytest.mark.parametrize("own", [Louder, Mixing, Other])
def test_what_is_ones_own_is_told(models, short, tmp_path, own, caplog):
    """It is not known what of it stays the same."""
    model, kinds = copy.deepcopy(models["both"]), {}
    if own is Mixing:
        kinds["brain_class"] = Mixing
    if own is Other:
        model.__class__ = Other
    brain = brain_for(model, tmp_path, epochs=1, **kinds)
    dataset = Louder if own is Louder else PairDataset
    pairs = dataset(short, SAMPLE_RATE, CLIP_SAMPLES, seed=7)
    name = "a Brain with a compute_forward" if own is Mixing else own.__name__
    brain.fit([1], pairs, train_loader_kwargs=loader_options(brain))
    assert re.search(f"of {name}.*not known that a clip stays", caplog.text)


# ------------------------------------------------------------------- other ways


@pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="no gloo")
def test_two_ranks_compute_a_share_each(models, mixed, tmp_path):
    from test_distributed import torchrun

    write_manifest(tmp_path / "train.json", mixed)
    torchrun("tests/frozen_worker.py", tmp_path / "train.json", tmp_path)
    ends = {
        (name, rank): torch.load(tmp_path / f"{name} {rank}.pt")
        for name in ("plain", "cached", "again")
        for rank in (0, 1)
    }
    for rank in (0, 1):
        expected = ends["plain", 0]["weights"]
        assert moved(models["both"], expected) > 0.01
        assert difference(ends["cached", rank]["weights"], expected) < 1e-6
        same = ends["cached", 0]["weights"]
        assert difference(ends["again", rank]["weights"], same) == 0
        heard, read = ends["again", rank]["rows"]  # what is left where all is kept
        assert read == 4  # the probe, twice
        first = ends["cached", rank]["rows"]
        # half of the 7 clips that are heard whole, and 4 windows of validation
        assert first[0] == heard + 4 + 4
        # half of 33 captions in batches of 4, and 9 of validation
        assert first[1] == read + (20 if rank == 0 else 16) + 9


def numbers(folder: Path) -> dict[str, float]:
    found = results(folder, "retrieval").items()
    return {name: score for name, score in found if isinstance(score, float)}


def test_a_recipe_takes_it(tmp_path):
    """To the bit: the built-in clips fill no more than a window."""
    data = write_audiocaps(tmp_path / "data", 14, 6, 6, seed=1)
    settings = {**TINY, "data_folder": data, "number_of_epochs": 2, "batch_size": 4}
    ends = {}
    for place, more in enumerate(({}, {"cache_frozen": None})):
        folder = tmp_path / f"run {place}"
        told = {**settings, "freeze_audio": None, "output_folder": folder, **more}
        words = command("hparams/demo.yaml", told)
        finished = run_script(TRAIN, words, tmp_path / f"{place}.log")
        assert finished.code == 0, finished.output
        history = json.loads((folder / "history.json").read_text(encoding="utf-8"))
        scores = numbers(folder)
        ends[place] = history, scores, (folder / "frozen").exists()
    assert ends[0][:2] == ends[1][:2] and len(ends[0][1]) > 5
    assert [end[2] for end in ends.values()] == [False, True]
    assert "cache_frozen: 14 of 14 clips are heard whole: cached" in finished.output
    assert (
        "text_encoder is computed in each step: it is trained (--freeze_text"
        in finished.output
    )
    # of the test, too
    words = [*words, "--stage", "evaluate"]
    for clip in data.rglob("*.wav"):
        status = clip.stat()
        clip.write_bytes(bytes(status.st_size))
        os.utime(clip, ns=(status.st_atime_ns, status.st_mtime_ns))
    finished = run_script(TRAIN, words, tmp_path / "evaluate.log")
    assert finished.code == 0, finished.output
    assert numbers(folder) == ends[1][1]


def test_a_recipe_tells_in_one_line_that_nothing_is_frozen(tmp_path):
    told = {**TINY, "cache_frozen": None, "output_folder": tmp_path / "run"}
    told |= {"number_of_epochs": 1, "batch_size": 4, "builtin_train_clips": 8}
    told |= {"builtin_valid_clips": 2, "builtin_folder": tmp_path / "builtin"}
    words = command("hparams/demo.yaml", told)
    finished = run_script(TRAIN, words, tmp_path / "log")
    assert finished.code == 0
    assert "audio_encoder: it is trained (--freeze_audio" in finished.output
