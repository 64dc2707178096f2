"""Augmentation of waveforms: what comes in, what comes back, what is drawn."""

from __future__ import annotations

import contextlib
import os
import random
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from speechbrain.augment.augmenter import Augmenter
from speechbrain.augment.time_domain import (
    AddNoise,
    AddReverb,
    DoClip,
    DropChunk,
    DropFreq,
    RandAmp,
    SignFlip,
    SpeedPerturb,
)

from clap_sb.training.optimization import seed_step
from clap_sb.training.wav_augment import augmented, try_augment

RATE = 8000


@pytest.fixture(scope="module")
def listed(tmp_path_factory) -> Path:
    """A list of noises, all different, as SpeechBrain has it."""
    folder = tmp_path_factory.mktemp("noises")
    rows = ["ID,duration,wav,wav_format,wav_opts"]
    for index in range(9):
        noise = np.random.default_rng(index).normal(size=RATE) * 0.1
        noise[:20] = 1.0  # a room's impulse response is not silent at once
        soundfile.write(folder / f"{index}.wav", noise, RATE)
        rows.append(f"{index},1.0,{folder / f'{index}.wav'},wav,")
    (folder / "noises.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder / "noises.csv"


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    wavs = 0.1 * torch.randn(4, RATE, generator=generator)
    wavs[1, RATE // 2 :] = 0.0
    return wavs, torch.tensor([1.0, 0.5, 1.0, 1.0], dtype=torch.float64)


def many(listed: Path) -> Augmenter:
    rates = {"noise_sample_rate": RATE, "clean_sample_rate": RATE}
    return Augmenter(
        shuffle_augmentations=True,
        min_augmentations=2,
        max_augmentations=7,
        augmentations=[
            SpeedPerturb(RATE, speeds=[90, 110]),
            DropFreq(),
            DropChunk(),
            AddNoise(str(listed), snr_low=0, snr_high=10, **rates),
            AddReverb(str(listed), reverb_sample_rate=RATE, clean_sample_rate=RATE),
            DoClip(),
            RandAmp(),
            SignFlip(),
        ],
    )


def test_what_is_drawn_follows_from_the_seed_alone(listed):
    """Python's generator is drawn from too, and lists of noises remember a place."""
    wavs, lens = batch()
    seeds = range(12)
    augment, ends = many(listed), []
    for order in (seeds, reversed(seeds)):
        found = {}
        for seed in order:
            seed_step(seed)
            found[seed] = augmented(augment, wavs, lens, longest=None)
        ends.append(found)
    for seed in seeds:
        for one, other in zip(ends[0][seed], ends[1][seed], strict=True):
            assert torch.equal(one, other), seed
        assert ends[0][seed][0].isfinite().all()
    sums = {float(out.double().sum()) for out, _ in ends[0].values()}
    assert len(sums) == len(seeds)


def test_a_list_of_noises_is_gone_through_in_another_order_each_time(listed):
    wavs, lens = torch.zeros(4, RATE) + 0.01, torch.ones(4)
    augment = Augmenter(augmentations=[AddNoise(str(listed), start_index=0)])
    added = []
    for seed in range(6):
        seed_step(seed)
        added.append(augmented(augment, wavs, lens, None)[0][0])
    assert len({float(row.sum()) for row in added}) > 2


def test_the_batch_stays_as_it_is():
    wavs, lens = batch()
    before = wavs.clone(), lens.clone()

    def zeroing(wavs, lengths):
        return wavs.zero_(), lengths.mul_(0.5)

    assert augmented(zeroing, wavs, lens, None)[0].abs().max() == 0
    assert torch.equal(wavs, before[0]) and torch.equal(lens, before[1])


def test_waveforms_alone_keep_their_lengths():
    wavs, lens = batch()
    found = augmented(lambda wavs, lengths: 2 * wavs, wavs, lens, RATE)
    assert torch.equal(found[0], 2 * wavs) and torch.equal(found[1], lens)


@pytest.mark.parametrize(("longest", "time"), [(None, 10000), (RATE, RATE)])
def test_what_is_longer_than_the_window_is_cut_at_its_end(longest, time):
    wavs, lens = batch()
    slower = Augmenter(augmentations=[SpeedPerturb(RATE, speeds=[80])])
    found, shares = augmented(slower, wavs, lens, longest)
    assert found.shape == (4, time)
    whole, _ = augmented(slower, wavs, lens, None)
    assert torch.equal(found, whole[:, :time])
    samples = [min(time, 10000), 5000, min(time, 10000), min(time, 10000)]
    assert (shares * time).round().tolist() == samples
    # nothing but padding is behind the end of a clip, the filter's length aside
    assert whole[1, 5100:].abs().max() < 1e-3 < whole[1, 4000:4900].abs().max()


def test_it_is_computed_in_full_precision_and_without_gradients():
    wavs, lens = batch()
    weight = torch.nn.Parameter(torch.eye(RATE)[:, :RATE])
    with torch.autocast("cpu", torch.bfloat16):
        out, _ = augmented(lambda wavs, lengths: wavs @ weight, wavs, lens, None)
    assert out.dtype == torch.float32 and not out.requires_grad


@pytest.mark.parametrize(
    "options",
    [{"concat_original": True}, {"repeat_augment": 2}, {"parallel_augment": True}],
)
def test_another_number_of_clips_is_refused(options):
    augment = Augmenter(augmentations=[DropFreq(), DropChunk()], **options)
    with pytest.raises(ValueError, match=r"\(8, 8000\).*\(4, 8000\).*concat_original"):
        augmented(augment, *batch(), None)


class Own:
    """Draws from a generator of its own, which each step's copy starts anew."""

    def __init__(self):
        self.drawn = np.random.default_rng()

    def __call__(self, wavs, lengths):
        return wavs * float(self.drawn.uniform(0.5, 1.5)), lengths


class Held:
    def __init__(self):
        self.file = open(__file__)  # noqa: SIM115  a copy of it is none

    def __call__(self, wavs, lengths):
        return wavs, lengths


@pytest.mark.parametrize(
    ("augment", "told"),
    [
        (DropFreq(), r"DropFreq\) fails .*TypeError.*go into an Augmenter"),
        (lambda wavs, lengths: None, "gives a NoneType, and no tensors"),
        (lambda wavs, lengths: [wavs, lengths], "gives a list, and no tensors"),
        (lambda wavs, lengths: wavs[:, :0], "leaves nothing of the waveforms"),
        (lambda wavs, lengths: wavs / 0.0, "not finite"),
        (Augmenter(augmentations=[AddNoise("no.csv")]), "FileNotFoundError.*no.csv"),
        (Own(), r"Own\) would change each batch in the same way"),
        (Held(), r"Held\) cannot be copied"),
    ],
)
def test_what_cannot_augment_is_told_before_training(augment, told):
    with pytest.raises(ValueError, match=told) as caught:
        try_augment(augment, RATE, None)
    assert "\n" not in str(caught.value)


def test_a_list_in_order_would_begin_with_its_first_files(listed):
    for sorting in ("ascending", "random"):
        noise = AddNoise(str(listed), sorting=sorting)
        told = pytest.raises(ValueError, match="in the same way.*in random order")
        with told if sorting == "ascending" else contextlib.nullcontext():
            try_augment(Augmenter(augmentations=[noise]), RATE, RATE)


def test_a_trial_of_augmentation_seeds_nothing(listed, caplog, monkeypatch):
    monkeypatch.setenv("SB_GLOBAL_SEED", "5")
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    try_augment(many(listed), RATE, RATE)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == random.getstate() and os.environ["SB_GLOBAL_SEED"] == "5"
    assert (before[2] == np.random.get_state()[1]).all()
    assert not caplog.text
    clock = random.SystemRandom()
    try_augment(lambda wavs, lengths: wavs * clock.random(), RATE, None)
    assert "draws from something else than the global generators" in caplog.text


def test_doubles_become_what_a_tower_takes():
    wavs, lens = batch()
    found, _ = augmented(lambda wavs, lengths: wavs.double() * 2, wavs, lens, None)
    assert found.dtype == torch.float32 and torch.equal(found, 2 * wavs)
