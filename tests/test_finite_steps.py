"""A step that is not finite leaves nothing behind: as if it had been passed over."""

# ruff: noqa: F811  (fixtures that come from another module)

from __future__ import annotations

import copy
import dataclasses
import functools
import json
import logging

import pytest
import torch
from builders import tiny_clap, tiny_htsat
from test_brain import clips, fit, loader_options, make_brain, pairs  # noqa: F401

from clap_sb.brain import CLAPBrain
from clap_sb.objectives.info_nce import InfoNCE

BAD = "5"
RATES = {"lr": 0.1, "audio_lr": 0.1, "text_lr": 0.1}
MOMENTUM = functools.partial(torch.optim.SGD, momentum=0.9)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """With batch norm, whose running means the forward pass changes."""
    return tiny_clap(tmp_path_factory.mktemp("model"), audio=tiny_htsat(drop_path=0.3))


class Passing(CLAPBrain):
    """Passes over each batch with a clip, but for counting it."""

    def fit_batch(self, batch):
        if BAD not in batch.ids:
            return super().fit_batch(batch)
        self.optimizer_step += 1
        return torch.tensor(torch.nan)


class Overflowing(InfoNCE):
    """Its loss is finite, and its gradients are not, once."""

    calls = 0

    def forward(self, audio, text, *others):
        Overflowing.calls += 1
        loss = super().forward(audio, text, *others)
        if Overflowing.calls == 2:
            audio.register_hook(lambda gradient: gradient * torch.inf)
        return loss


def spoilt(brain, clips, value, ids=(BAD,)):
    """Training pairs of which some have samples that no file is read with."""
    dataset = pairs(brain, clips)
    draw = dataset._draw

    def drawn(epoch, clip):
        pair = draw(epoch, clip)
        if clip.id in ids:
            pair = dataclasses.replace(pair, wav=torch.full_like(pair.wav, value))
        return pair

    dataset._draw = drawn
    return dataset


def train(brain, dataset, **options):
    brain.fit(
        brain.hparams.epoch_counter,
        dataset,
        train_loader_kwargs=loader_options(brain, **options),
    )


def state(brain):
    return {name: value.clone() for name, value in brain.clap.state_dict().items()}


@pytest.mark.parametrize("value", [torch.nan, torch.inf, 1e30])
def test_it_is_as_if_the_batch_had_been_passed_over(
    model, clips, tmp_path, caplog, value
):  # fmt: skip
    ends, rows = [], []
    for kind in (CLAPBrain, Passing):
        folder, settings = tmp_path / kind.__name__, {"best_metric": "epoch", **RATES}
        brain = make_brain(
            copy.deepcopy(model), folder, MOMENTUM, None, 2, kind, **settings
        )
        with caplog.at_level(logging.WARNING):
            train(brain, spoilt(brain, clips, value))
        ends.append(state(brain))
        rows.append(brain.hparams.history.rows)
        assert brain.optimizer_step == 6
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    assert all(value.isfinite().all() for value in ends[0].values())
    assert rows[0] == rows[1]
    json.dumps(rows[0], allow_nan=False)
    told = [r.getMessage() for r in caplog.records if "left out" in r.getMessage()]
    assert len(told) == 2
    assert all(f"the loss is not finite, and the step is left out (clip {BAD})" in t
               for t in told)  # fmt: skip


def test_a_window_of_several_batches_is_left_out_whole(model, clips, tmp_path):
    brain = make_brain(
        copy.deepcopy(model), tmp_path, MOMENTUM, {"grad_accumulation_factor": 3},
        best_metric="epoch", **RATES,
    )  # fmt: skip
    before = state(brain)
    train(brain, spoilt(brain, clips, torch.nan))
    assert brain.optimizer_step == 1
    assert all(torch.equal(value, before[name]) for name, value in state(brain).items())


def test_gradients_that_are_not_finite_are_no_step(model, clips, tmp_path, caplog):
    Overflowing.calls = 0
    brain = make_brain(
        copy.deepcopy(model), tmp_path, MOMENTUM, best_metric="epoch",
        objective=Overflowing(), **RATES,
    )  # fmt: skip
    with caplog.at_level(logging.WARNING):
        train(brain, pairs(brain, clips))
    assert "batch 2: the gradients are not finite" in caplog.text
    assert all(value.isfinite().all() for value in state(brain).values())
    moments = [kept["momentum_buffer"] for kept in brain.optimizer.state.values()]
    assert all(moment.isfinite().all() for moment in moments)


def test_more_of_them_than_patience_end_the_training(model, clips, tmp_path):
    brain = make_brain(
        copy.deepcopy(model), tmp_path, MOMENTUM, {"nonfinite_patience": 1},
        best_metric="epoch", **RATES,
    )  # fmt: skip
    dataset = spoilt(brain, clips, torch.nan, [clip.id for clip in clips])
    with pytest.raises(ValueError, match=r"batch 2: .*clip \d+, .*nonfinite_patience"):
        train(brain, dataset)
    assert all(value.isfinite().all() for value in state(brain).values())
    assert not list((tmp_path / "save").glob("CKPT*"))


def test_the_scale_of_fp16_is_for_gradients_alone(model, clips, tmp_path, caplog):
    """Gradients that overflow lower it, and are no fault; a loss of NaN does not."""
    brain = make_brain(
        copy.deepcopy(model), tmp_path, MOMENTUM, {"nonfinite_patience": 1},
        best_metric="epoch", **RATES,
    )  # fmt: skip
    brain.scaler = torch.amp.GradScaler(
        "cpu", init_scale=2.0**126, backoff_factor=2**-30
    )
    with caplog.at_level(logging.WARNING):
        train(brain, spoilt(brain, clips, torch.nan))
    assert brain.scaler.get_scale() == 2.0**96  # of three steps, one overflowed
    assert caplog.text.count("left out") == 1
    assert all(value.isfinite().all() for value in state(brain).values())


def test_a_run_with_a_validation_ends_with_a_checkpoint(
    model, clips, tmp_path, monkeypatch
):
    """One broken clip of a set used to end it, after an epoch that looked normal."""
    from clap_sb.data.pairs import PairDataset

    draw = PairDataset._draw

    def drawn(self, epoch, clip):
        pair = draw(self, epoch, clip)
        wav = pair.wav * torch.inf if clip.id == BAD else pair.wav
        return dataclasses.replace(pair, wav=wav)

    monkeypatch.setattr(PairDataset, "_draw", drawn)
    brain = make_brain(copy.deepcopy(model), tmp_path, MOMENTUM, **RATES)
    fit(brain, clips, validate=True)
    assert len(list((tmp_path / "save").glob("CKPT*"))) == 1


class Diverged(CLAPBrain):
    """A model whose embeddings of some clips and captions are not finite."""

    spoilt: tuple[str, ...] = ()

    def evaluate_batch(self, batch, stage):
        done = super().evaluate_batch(batch, stage)
        ids = [self.stage_clips[place].id for place in batch.index]
        for row, name in enumerate(ids):
            if name in self.spoilt[:-1]:
                self._embedder._audio[-1][row] = torch.nan
            elif name in self.spoilt:  # the last one's caption
                self._embedder._text[-1][batch.caption_clip == row] = torch.inf
        return done


def test_a_validation_names_clips_that_are_not_finite_and_goes_on_without(
    model, clips, tmp_path, caplog
):
    brain = make_brain(
        copy.deepcopy(model), tmp_path, MOMENTUM, {"nonfinite_patience": 2},
        brain_class=Diverged, **RATES,
    )  # fmt: skip
    Diverged.spoilt = "3", "7"
    with caplog.at_level(logging.WARNING):
        fit(brain, clips, validate=True)
    assert "2 clips could not be used" in caplog.text
    assert "3.wav: the model's embedding of it is not finite" in caplog.text
    why = brain.embedded.unreadable
    assert why["7"].endswith(f"its caption '{clips[7].captions[0]}' is not finite")
    others = [clip for clip in clips if clip.id not in why]
    assert brain.embedded.clips == others
    assert brain.embedded.captions == [clip.captions[0] for clip in others]
    assert brain.retrieval.scores()["num_clips"] == len(others)
    assert len(list((tmp_path / "save").glob("CKPT*"))) == 1


def test_a_validation_without_too_many_of_them_ends_the_training(
    model, clips, tmp_path
):
    settings = {"nonfinite_patience": 2, "ckpt_interval_steps": 3}
    brain = make_brain(
        copy.deepcopy(model), tmp_path, MOMENTUM, settings,
        brain_class=Diverged, **RATES,
    )  # fmt: skip
    Diverged.spoilt = "3", "5", "7"
    told = r"3 of 12 validation clips are not finite \(3, 5, 7\).*nonfinite_patience"
    with pytest.raises(ValueError, match=f"epoch 1: .*{told} allows 2"):
        fit(brain, clips, validate=True)
    assert len(list((tmp_path / "save").glob("CKPT*"))) == 1  # of the last step
