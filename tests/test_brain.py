"""The training loop: schedule, clipping, accumulation, precision, stopping, seeding."""

from __future__ import annotations

import copy
import functools
import io
import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import speechbrain as sb
import torch
from builders import CAPTIONS, SAMPLE_RATE, tiny_clap, tiny_htsat
from speechbrain.utils.train_logger import FileTrainLogger
from torch.utils.data import DataLoader

from clap_sb.brain import CLAPBrain
from clap_sb.data.manifest import Clip
from clap_sb.data.pairs import PairBatch, PairCollate, PairDataset
from clap_sb.data.whole_clips import WholeClipDataset, WindowCollate
from clap_sb.model import CLAP
from clap_sb.objectives.info_nce import InfoNCE
from clap_sb.training.checkpointer import AtomicCheckpointer
from clap_sb.training.epochs import History, PairStatistics, PatientEpochCounter
from clap_sb.training.optimization import warmup_cosine

BATCH = 4
NO_CLIPPING = 1e9
PLAIN_SGD = functools.partial(torch.optim.SGD, momentum=0.0)


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> list[Clip]:
    import soundfile

    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    clips = []
    for index in range(12):
        path = folder / f"{index}.wav"
        seconds = 0.3 + 0.1 * (index % 4)
        noise = rng.normal(size=int(seconds * SAMPLE_RATE)) * 0.1
        soundfile.write(path, noise, SAMPLE_RATE)
        captions = (f"{CAPTIONS[index % len(CAPTIONS)]} {index}",)
        clips.append(Clip(str(index), str(path), seconds, captions))
    return clips


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> CLAP:
    """With dropout and drop-path; to be copied."""
    folder = tmp_path_factory.mktemp("model")
    return tiny_clap(folder, audio=tiny_htsat(drop_path=0.3))


def without_dropout(model: CLAP) -> CLAP:
    model = copy.deepcopy(model)
    for module in model.modules():
        if hasattr(module, "p"):
            module.p = 0.0
    return model


def make_brain(
    model: CLAP,
    tmp_path: Path,
    opt_class=PLAIN_SGD,
    run_opts: dict | None = None,
    epochs: int = 1,
    brain_class: type[CLAPBrain] = CLAPBrain,
    **hparams,
) -> CLAPBrain:
    settings = {
        "seed": 7,
        "objective": InfoNCE(),
        "wav_augment": None,
        "cache_frozen": False,
        "compile_towers": False,
        "frozen_folder": str(tmp_path / "frozen"),
        "lr": 1.0,
        "audio_lr": 1.0,
        "text_lr": 1.0,
        "weight_decay": 0.0,
        "warmup_steps": 0,
        "number_of_epochs": epochs,
        "best_metric": "t2a_recall_at_1",
        "epoch_counter": PatientEpochCounter(epochs, patience=1000),
        "statistics": PairStatistics(),
        "train_logger": FileTrainLogger(str(tmp_path / "train_log.txt")),
        "history": History(tmp_path / "history.json"),
    } | hparams
    checkpointer = AtomicCheckpointer(
        tmp_path / "save", {"model": model, "epoch_counter": settings["epoch_counter"]}
    )
    options = {"device": "cpu", "noprogressbar": True, "max_grad_norm": NO_CLIPPING}
    options |= run_opts or {}
    return brain_class({"clap": model}, opt_class, settings, options, checkpointer)


def pairs(brain: CLAPBrain, clips: list[Clip]) -> PairDataset:
    return PairDataset(clips, brain.clap.sample_rate, brain.clap.clip_samples, seed=7)


def loader_options(brain: CLAPBrain, **options) -> dict:
    collate = PairCollate(brain.clap.text_encoder.tokenize)
    return {"batch_size": BATCH, "collate_fn": collate, **options}


def fit(brain: CLAPBrain, clips: list[Clip], validate: bool = False) -> None:
    valid = WholeClipDataset(clips, SAMPLE_RATE) if validate else None
    brain.fit(
        brain.hparams.epoch_counter,
        pairs(brain, clips),
        valid,
        train_loader_kwargs=loader_options(brain),
        valid_loader_kwargs={
            "batch_size": BATCH,
            "collate_fn": WindowCollate(brain.clap.clip_samples),
        },
    )


def batches(brain: CLAPBrain, clips: list[Clip]) -> list[PairBatch]:
    """The batches of the first epoch."""
    loader = brain.make_dataloader(
        pairs(brain, clips), sb.Stage.TRAIN, ckpt_prefix=None, **loader_options(brain)
    )
    brain.train_sampler.set_epoch(1)
    return list(loader)


def gradients(model: CLAP, batch: PairBatch) -> dict[str, torch.Tensor]:
    """Of the loss of one batch, by hand."""
    model = copy.deepcopy(model).train()
    audio, text = model(batch.wavs, batch.wav_lens, batch.tokens)
    logits = model.logit_scale.scale() * audio @ text.T
    target = torch.arange(len(logits))
    loss = torch.nn.functional.cross_entropy
    ((loss(logits, target) + loss(logits.T, target)) / 2).backward()
    return {name: value.grad for name, value in model.named_parameters()}


def movement(before: CLAP, after: CLAP) -> dict[str, torch.Tensor]:
    ends = dict(after.named_parameters())
    return {
        name: (ends[name] - value).detach() for name, value in before.named_parameters()
    }


def assert_moved_against(moved: dict, gradient: dict, rate: float = 1.0) -> None:
    assert moved.keys() == gradient.keys()
    for name, value in moved.items():
        expected = -rate * gradient[name]
        assert torch.allclose(value, expected, rtol=1e-3, atol=2e-6), name


# ------------------------------------------------------------------ settings


@pytest.mark.parametrize("norm", [0.0, -1.0])
def test_clipping_that_would_freeze_or_ascend_is_an_error(norm, model, tmp_path):
    with pytest.raises(ValueError, match="must be positive"):
        make_brain(model, tmp_path, run_opts={"max_grad_norm": norm})


@pytest.mark.parametrize("option", ["find_unused_parameters", "data_parallel_backend"])
def test_run_options_that_would_fail_in_the_first_step_are_errors(
    option, model, tmp_path, monkeypatch
):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)  # SpeechBrain looks
    with pytest.raises(ValueError, match=f"leave out --{option}"):
        make_brain(model, tmp_path, run_opts={option: True})


@pytest.mark.parametrize("metric", ["valid_loss", "t2a_median_rank", "recall"])
def test_the_best_metric_is_one_where_higher_is_better(metric, model, tmp_path):
    with pytest.raises(ValueError, match=f"'{metric}'.*t2a_map_at_10"):
        make_brain(model, tmp_path, best_metric=metric)


def test_an_objective_that_is_no_module_is_an_error(model, tmp_path):
    with pytest.raises(ValueError, match="objective is <function.*make a class of it"):
        make_brain(model, tmp_path, objective=torch.nn.functional.cross_entropy)


def test_a_training_set_that_fills_no_step_is_an_error(model, clips, tmp_path):
    options = {"grad_accumulation_factor": 4}
    brain = make_brain(copy.deepcopy(model), tmp_path, run_opts=options)
    with pytest.raises(ValueError, match="12 training clips .* do not fill one step"):
        fit(brain, clips)


def test_a_test_without_a_checkpoint_is_an_error(model, clips, tmp_path):
    brain = make_brain(copy.deepcopy(model), tmp_path)
    with pytest.raises(FileNotFoundError, match="train first"):
        brain.evaluate(
            WholeClipDataset(clips, SAMPLE_RATE), max_key=brain.hparams.best_metric
        )


# ------------------------------------------------------------------ loaders


def whole_clips(brain: CLAPBrain, clips: list[Clip], batch_size: int) -> DataLoader:
    return DataLoader(
        WholeClipDataset(clips, SAMPLE_RATE),
        batch_size=batch_size,
        collate_fn=WindowCollate(brain.clap.clip_samples),
    )


def test_loaders_are_taken_like_their_data_sets(model, clips, tmp_path):
    rows, rates = [], {"lr": 0.1, "audio_lr": 0.1, "text_lr": 0.1}
    for name, size in (("sets", BATCH), ("loaders", 5)):
        folder = tmp_path / name
        brain = make_brain(copy.deepcopy(model), folder, epochs=2, **rates)
        if name == "sets":
            fit(brain, clips, validate=True)
        else:
            train = brain.make_dataloader(
                pairs(brain, clips), sb.Stage.TRAIN, **loader_options(brain)
            )
            valid = whole_clips(brain, clips, size)
            brain.fit(brain.hparams.epoch_counter, train, valid)
        assert brain.optimizer_step == 6 and brain.plan.steps == 3
        rows.append(brain.hparams.history.rows)
    # whatever the size of the validation batches
    assert rows[0] == [pytest.approx(row, rel=1e-4) for row in rows[1]]
    assert rows[0][-1]["learning_rate"] > 0
    scores = brain.evaluate(whole_clips(brain, clips, 3))
    best = max(rows[1], key=lambda row: (row["t2a_recall_at_1"], row["epoch"]))
    assert scores.items() <= best.items()


@pytest.mark.parametrize("train", [True, False])
def test_loaders_that_cannot_be_gone_by_are_refused_beforehand(
    train, model, clips, tmp_path
):
    brain = make_brain(copy.deepcopy(model), tmp_path)
    foreign = DataLoader([1, 2, 3])
    sets = (foreign, None) if train else (pairs(brain, clips), foreign)
    message = "brain.make_dataloader" if train else "a list is no WholeSet"
    with pytest.raises(ValueError, match=message):
        brain.fit([1], *sets, train_loader_kwargs=loader_options(brain))
    assert brain.optimizer_step == 0
    with pytest.raises(ValueError, match="a list is no WholeSet: it lacks clips"):
        brain.evaluate(foreign)


def test_the_validation_loss_is_that_of_a_training_batch(model, clips, tmp_path):
    still = {"lr": 0.0, "audio_lr": 0.0, "text_lr": 0.0}
    frozen = copy.deepcopy(model)
    frozen.audio_encoder.frozen = True
    losses = []
    for size in (1, 12):
        folder = tmp_path / str(size)
        brain = make_brain(copy.deepcopy(frozen), folder, **still)
        train = brain.make_dataloader(
            pairs(brain, clips), sb.Stage.TRAIN, **loader_options(brain, batch_size=12)
        )
        brain.fit([1], train, whole_clips(brain, clips, size))
        losses.append(brain.hparams.history.rows[-1]["valid_loss"])
    (batch,) = list(train)
    audio, text = frozen.eval()(batch.wavs, batch.wav_lens, batch.tokens)
    loss = InfoNCE()(audio, text, frozen.logit_scale).item()
    assert losses == [pytest.approx(loss, abs=1e-4)] * 2


# ------------------------------------------------------------------ one step


def test_each_group_follows_the_schedule_from_a_rate_of_its_own(model, clips, tmp_path):
    rates = {"lr": 0.01, "audio_lr": 0.02, "text_lr": 0.03}
    brain = make_brain(
        copy.deepcopy(model), tmp_path, epochs=2, warmup_steps=2, **rates
    )
    seen = []

    def noted(batch, outputs, loss, should_step):
        seen.append({g["base_lr"]: g["lr"] for g in brain.optimizer.param_groups})

    brain.on_fit_batch_end = noted
    fit(brain, clips)
    assert len(seen) == 6
    for step, groups in enumerate(seen):
        factor = warmup_cosine(step, 2, total_steps=6)
        assert groups == {rate: rate * factor for rate in rates.values()}


@pytest.mark.parametrize("limit", [0.01, NO_CLIPPING])
def test_clipping_takes_the_norm_over_all_groups(limit, model, clips, tmp_path):
    start = without_dropout(model)
    brain = make_brain(
        copy.deepcopy(start), tmp_path, run_opts={"max_grad_norm": limit}
    )
    gradient = gradients(start, batches(brain, clips[:BATCH])[0])
    fit(brain, clips[:BATCH])
    norm = math.sqrt(sum(g.double().square().sum().item() for g in gradient.values()))
    assert 0.01 < norm < NO_CLIPPING
    assert len(brain.optimizer.param_groups) > 5
    moved = movement(start, brain.clap)
    assert_moved_against(moved, gradient, rate=min(1.0, limit / norm))


def test_accumulation_averages_the_gradients_of_the_batches(model, clips, tmp_path):
    start = without_dropout(model)
    brain = make_brain(
        copy.deepcopy(start), tmp_path, run_opts={"grad_accumulation_factor": 2}
    )
    first, second, left_over = batches(brain, clips)
    parts = [gradients(start, batch) for batch in (first, second)]
    fit(brain, clips)
    assert brain.optimizer_step == 1
    mean = {name: (parts[0][name] + parts[1][name]) / 2 for name in parts[0]}
    assert_moved_against(movement(start, brain.clap), mean)


def test_weight_decay_shrinks_matrices_alone(model, clips, tmp_path):
    start = copy.deepcopy(model)
    brain = make_brain(
        copy.deepcopy(start),
        tmp_path,
        run_opts={"max_grad_norm": 1e-30},  # of the gradient nothing is left
        weight_decay=0.1,
    )
    fit(brain, clips[:BATCH])
    for name, moved in movement(start, brain.clap).items():
        value = start.get_parameter(name)
        is_table = "embeddings.weight" in name or "bias_table" in name
        decay = 0.1 if value.dim() > 1 and not is_table else 0.0
        assert torch.allclose(moved, -decay * value, atol=1e-6), name


@pytest.mark.parametrize(("start", "end"), [(9.0, math.log(100.0)), (-3.0, 0.0)])
def test_the_logit_scale_is_clamped_after_the_step(start, end, model, clips, tmp_path):
    model = copy.deepcopy(model)
    model.logit_scale.log_scale.data.fill_(start)
    brain = make_brain(model, tmp_path, lr=0.0, run_opts={"max_grad_norm": 1.0})
    fit(brain, clips[:BATCH])
    assert brain.clap.logit_scale.log_scale.item() == pytest.approx(end)


def test_bf16_keeps_front_end_weights_and_loss_in_full_precision(
    model, clips, tmp_path
):
    class Noting(InfoNCE):
        def forward(self, audio, text, *rest):
            loss = super().forward(audio, text, *rest)
            dtypes.update(audio=audio.dtype, text=text.dtype, loss=loss.dtype)
            losses.append(loss.item())
            return loss

    dtypes, losses = {}, []
    model = copy.deepcopy(model)

    def note(module: torch.nn.Module, name: str) -> None:
        module.register_forward_hook(
            lambda module, inputs, output: dtypes.update({name: output.dtype})
        )

    note(model.audio_encoder.log_mel, "log_mel")
    note(model.audio_encoder.layers[0].blocks[0].attn, "attention")
    note(model.text_projection[0], "projection")
    brain = make_brain(
        model, tmp_path, run_opts={"precision": "bf16"}, objective=Noting(), lr=0.01
    )
    fit(brain, clips)
    assert dtypes.pop("attention") == dtypes.pop("projection") == torch.bfloat16
    assert dtypes.keys() == {"log_mel", "audio", "text", "loss"}
    assert set(dtypes.values()) == {torch.float32}
    assert len(losses) == 3 and all(map(math.isfinite, losses))
    assert {value.dtype for value in brain.clap.parameters()} == {torch.float32}


def test_waveforms_are_augmented_in_training_alone(model, clips, tmp_path):
    class Louder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = torch.nn.Parameter(torch.tensor(3.0))

        def forward(self, wavs, lengths):
            louder = self.factor * wavs
            given.append((wavs.dtype, wavs, louder))
            return louder, lengths

    given, heard, whole = [], [], []
    model = copy.deepcopy(model)

    def note(module, inputs, output):
        (heard if module.training else whole).append(inputs[0])

    model.audio_encoder.register_forward_hook(note)
    brain = make_brain(
        model, tmp_path, run_opts={"precision": "bf16"}, wav_augment=Louder(), lr=0.01
    )
    fit(brain, clips, validate=True)
    assert len(given) == len(heard) == 3 and whole
    for (dtype, wavs, louder), seen in zip(given, heard, strict=True):
        assert dtype == louder.dtype == torch.float32
        assert torch.equal(seen, louder) and torch.equal(louder, 3.0 * wavs)
    trained = {id(p) for g in brain.optimizer.param_groups for p in g["params"]}
    assert id(brain.hparams.wav_augment.factor) not in trained


def test_an_objective_is_told_whether_it_trains_and_is_outside_of_autocast(
    model, clips, tmp_path
):
    class Noting(InfoNCE):
        def __init__(self):
            super().__init__()
            self.register_buffer("seen", torch.zeros(2))

        def forward(self, audio, text, logit_scale, *keys):
            similarity = audio @ text.T
            dtypes.add(similarity.dtype)
            self.seen[int(self.training)] += 1
            return super().forward(audio, text, logit_scale, *keys)

    dtypes, objective = set(), Noting()
    options = {"precision": "bf16"}
    brain = make_brain(
        copy.deepcopy(model), tmp_path, run_opts=options, objective=objective, lr=0.01
    )
    fit(brain, clips, validate=True)
    assert dtypes == {torch.float32}
    assert objective.seen.tolist() == [3.0, 3.0]  # blocks, and batches
    objective.seen.zero_()
    brain.checkpointer.recover_if_possible()
    assert objective.seen.tolist() == [3.0, 3.0]


def test_statistics_are_as_exact_under_autocast():
    audio, text = torch.nn.functional.normalize(torch.randn(2, 16, 8), dim=2)
    plain, under = PairStatistics(), PairStatistics()
    plain.update(audio, text, None)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under.update(audio, text, None)
    assert under.summary() == plain.summary()


# ------------------------------------------------------------------ a whole run


def test_training_stops_after_so_many_epochs_without_a_better_one(
    model, clips, tmp_path
):
    brain = make_brain(
        copy.deepcopy(model),
        tmp_path,
        epochs=9,
        epoch_counter=PatientEpochCounter(9, patience=2),
        **{"lr": 0.0, "audio_lr": 0.0, "text_lr": 0.0},
    )
    brain.clap.audio_encoder.frozen = True  # batch statistics stay as well
    fit(brain, clips, validate=True)
    assert [row["epoch"] for row in brain.hparams.history.rows] == [1, 2, 3]


def test_a_step_draws_the_same_whatever_was_drawn_before(model, clips, tmp_path):
    ends = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        brain = make_brain(copy.deepcopy(model), tmp_path / str(seed), lr=0.1)
        fit(brain, clips)
        ends.append(brain.clap.state_dict())
    for name, value in ends[0].items():
        assert torch.equal(value, ends[1][name]), name
    # and it does draw: without dropout the end is another one
    brain = make_brain(without_dropout(model), tmp_path / "plain", lr=0.1)
    fit(brain, clips)
    weight = "audio_projection.0.weight"
    assert not torch.equal(brain.clap.state_dict()[weight], ends[0][weight])


@pytest.mark.parametrize("workers", [0, 1])
def test_the_training_loader_leaves_the_global_generator_alone(
    workers, model, clips, tmp_path
):
    brain = make_brain(copy.deepcopy(model), tmp_path)
    options = loader_options(brain, num_workers=workers)
    loader = brain.make_dataloader(pairs(brain, clips), sb.Stage.TRAIN, **options)
    state = torch.get_rng_state()
    assert len(list(loader)) == 3
    assert torch.equal(torch.get_rng_state(), state)


# ---------------------------------------------------------------- without validation


def test_without_validation_the_last_epoch_is_kept_and_gone_on_from(
    model, clips, tmp_path
):
    def trained(folder: Path, stop: int) -> CLAPBrain:
        brain = make_brain(
            copy.deepcopy(model),
            folder,
            epochs=3,
            best_metric="epoch",
            lr=0.1,
            audio_lr=0.1,
            text_lr=0.1,
            run_opts={"debug": stop < 3, "debug_batches": 99, "debug_epochs": stop}
            | {"debug_persistently": True},  # else each begins anew
        )
        fit(brain, clips)
        return brain

    whole = trained(tmp_path / "whole", stop=3)
    assert [row["epoch"] for row in whole.hparams.history.rows] == [1, 2, 3]
    assert "valid_loss" not in whole.hparams.history.rows[0]
    saved = whole.checkpointer.list_checkpoints()
    assert [checkpoint.meta["epoch"] for checkpoint in saved] == [3]
    trained(tmp_path / "parts", stop=2)
    resumed = trained(tmp_path / "parts", stop=3)
    for one, other in zip(
        whole.clap.parameters(), resumed.clap.parameters(), strict=True
    ):
        assert torch.equal(one, other)


def test_validation_tells_once_of_a_clip_that_cannot_be_read(
    model, clips, tmp_path, caplog
):
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    broken = Clip("x", str(tmp_path / "broken.wav"), 1.0, ("A dog",))
    brain = make_brain(copy.deepcopy(model), tmp_path, epochs=2)
    brain.fit(
        brain.hparams.epoch_counter,
        pairs(brain, clips),
        WholeClipDataset([*clips, broken], SAMPLE_RATE),
        train_loader_kwargs=loader_options(brain),
        valid_loader_kwargs={
            "batch_size": BATCH,
            "collate_fn": WindowCollate(brain.clap.clip_samples),
        },
    )
    said = [r.message for r in caplog.records if "could not be used" in r.message]
    assert len(said) == 1 and "1 clips" in said[0] and "broken.wav" in said[0]


def test_what_comes_before_training_comes_once_and_only_before_some(
    model, clips, tmp_path
):
    calls = []
    for epochs in (2, 2, 3):
        rates = dict.fromkeys(("lr", "audio_lr", "text_lr"), 0.1)
        settings = {"epochs": epochs, "best_metric": "epoch"} | rates
        brain = make_brain(copy.deepcopy(model), tmp_path, **settings)
        brain.before_training = functools.partial(calls.append, epochs)
        fit(brain, clips)
    assert calls == [2, 3]


def test_a_run_goes_on_with_the_rates_it_is_given_then(model, clips, tmp_path):
    """And with its optimizer's state: only what the command line names is new."""

    def trained(stop: int, **rates: float) -> CLAPBrain:
        brain = make_brain(
            copy.deepcopy(model),
            tmp_path,
            opt_class=functools.partial(torch.optim.SGD, lr=1.0, momentum=0.5),
            epochs=2,
            best_metric="epoch",
            run_opts={"debug": stop < 2, "debug_batches": 99, "debug_epochs": stop}
            | {"debug_persistently": True},
            **rates,
        )
        fit(brain, clips)
        return brain

    def found(brain: CLAPBrain) -> set[tuple[float, float]]:
        groups = brain.optimizer.param_groups
        return {(group["base_lr"], group["weight_decay"]) for group in groups}

    first = trained(1, weight_decay=0.25)
    assert found(first) == {(1.0, 0.25), (1.0, 0.0)}
    later = trained(2, lr=0.25, audio_lr=0.5, text_lr=0.125, weight_decay=0.75)
    assert found(later) == {(rate, w) for rate in (0.25, 0.5, 0.125) for w in (0.75, 0)}
    assert later.optimizer_step == 2 * first.optimizer_step
    assert all("momentum_buffer" in state for state in later.optimizer.state.values())


class Screen(io.StringIO):
    """Standard error; somebody watches it, or it is a file."""

    watched = False

    def isatty(self) -> bool:
        return self.watched


@pytest.mark.parametrize("watched", [False, True])
def test_epochs_are_told_in_lines_unless_somebody_watches(
    watched, model, clips, tmp_path, monkeypatch
):
    """SpeechBrain's bar would be drawn over itself, thousands of times in a file."""
    brain = make_brain(model, tmp_path, run_opts={"noprogressbar": False})
    screen = Screen()
    screen.watched = watched
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr("clap_sb.progress.SECONDS", 0.0)
    fit(brain, clips, validate=True)
    brain.evaluate(whole_clips(brain, clips, 3), max_key="t2a_recall_at_1")
    brain.evaluate(
        WholeClipDataset(clips, SAMPLE_RATE),
        test_loader_kwargs={
            "batch_size": 2,
            "collate_fn": WindowCollate(brain.clap.clip_samples),
        },
    )
    told = screen.getvalue()
    assert ("\r" in told) == watched
    for about, batches in {
        "epoch 1": 3, "validation of epoch 1": 3, "test": 6
    }.items():  # fmt: skip
        pattern = rf"^{about}: {batches} of {batches} batches in "
        assert bool(re.search(pattern, told, re.MULTILINE)) != watched, about
