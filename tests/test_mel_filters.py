"""The mel filterbank against torchaudio's and a naive twin."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import pytest
import torch
import torchaudio

from clap_sb.checkpoints.front_end import LAION, LAION_FUSED, MS_2022, MS_2023, PANNS
from clap_sb.config import Config
from clap_sb.features import LogMel
from clap_sb.mel_filters import mel_filters

HPARAMS = Path(__file__).resolve().parents[1] / "hparams"
EDGES = {"n_fft": 1024, "n_mels": 64, "f_min": 50.0, "f_max": 14000.0}
FAMILIES = {
    "laion": LAION,
    "laion_fused": LAION_FUSED,
    "msclap_2022": MS_2022,
    "msclap_2023": MS_2023,
    "panns": PANNS,
    "panns_16k": {**PANNS, "sample_rate": 16000, "n_fft": 512, "f_max": 8000.0},
    "panns_8k": {**PANNS, "sample_rate": 8000, "n_fft": 256, "f_max": 4000.0},
    "whisper": {**EDGES, "sample_rate": 16000, "n_mels": 80, "f_min": 0, "f_max": 8000},
    "speech": {**EDGES, "sample_rate": 16000, "n_mels": 40, "f_max": 7600.5},
    "cd": {**EDGES, "sample_rate": 44100, "n_fft": 2048, "n_mels": 128, "f_max": 22050},
    "odd_fft_size": {**EDGES, "sample_rate": 22050, "n_fft": 1000, "f_max": 11025},
    "below_1_khz": {**EDGES, "sample_rate": 48000, "n_mels": 8, "f_max": 900.0},
}
KINDS = [("slaney", "slaney"), ("slaney", None), ("htk", None), ("htk", "slaney")]


def numbers_of(family: dict) -> dict:
    return {name: value for name, value in family.items() if name != "hop_length"}


def theirs(
    sample_rate, n_fft, n_mels, f_min, f_max, mel_scale="slaney", mel_norm="slaney"
):
    return torchaudio.functional.melscale_fbanks(
        n_fft // 2 + 1, f_min, f_max, n_mels, sample_rate, mel_norm, mel_scale
    )


def naive(
    sample_rate, n_fft, n_mels, f_min, f_max, mel_scale, mel_norm
) -> torch.Tensor:
    """Band by band and bin by bin, in float64."""

    def mel(hertz: float) -> float:
        if mel_scale == "htk":
            return 1127.0105 * math.log(1 + hertz / 700)
        return hertz * 0.015 if hertz < 1000 else 15 + 27 * math.log(hertz / 1000, 6.4)

    def hertz(mels: float) -> float:
        if mel_scale == "htk":
            return 700 * (math.exp(mels / 1127.0105) - 1)
        return mels / 0.015 if mels < 15 else 1000 * 6.4 ** ((mels - 15) / 27)

    step = (mel(f_max) - mel(f_min)) / (n_mels + 1)
    filters = torch.zeros(n_fft // 2 + 1, n_mels, dtype=torch.float64)
    for band in range(n_mels):
        low, centre, high = (hertz(mel(f_min) + step * (band + k)) for k in range(3))
        height = 2 / (high - low) if mel_norm == "slaney" else 1.0
        for index in range(n_fft // 2 + 1):
            place = index * sample_rate / n_fft
            if low < place <= centre:
                filters[index, band] = height * (place - low) / (centre - low)
            elif centre < place < high:
                filters[index, band] = height * (high - place) / (high - centre)
    return filters


@pytest.mark.parametrize("family", FAMILIES)
def test_the_bits_are_torchaudios(family):
    numbers = numbers_of(FAMILIES[family])
    assert torch.equal(mel_filters(**numbers), theirs(**numbers))


@pytest.mark.parametrize(("mel_scale", "mel_norm"), KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_so_they_are_in_every_kind(family, mel_scale, mel_norm):
    numbers = numbers_of(FAMILIES[family]) | {
        "mel_scale": mel_scale,
        "mel_norm": mel_norm,
    }
    found = mel_filters(**numbers)
    assert found.dtype == torch.float32
    assert torch.equal(found, theirs(**numbers))
    scale = found.max()
    assert (found - naive(**numbers)).abs().max() <= 2e-5 * scale


@pytest.mark.parametrize(("sample_rate", "n_fft"), [(11127, 1024), (32000, 1001)])
def test_odd_rates_and_sizes_have_their_bins_where_the_fft_has_them(sample_rate, n_fft):
    """torchaudio puts the last one at half the rate, rounded down."""
    numbers = EDGES | {"sample_rate": sample_rate, "n_fft": n_fft, "f_max": 5000.0}
    numbers |= {"n_mels": 24, "mel_scale": "htk", "mel_norm": None}
    found = mel_filters(**numbers)
    assert (found - naive(**numbers)).abs().max() <= 2e-5
    assert (found - theirs(**numbers)).abs().max() > 1e-4


@pytest.mark.parametrize(
    "path", sorted(HPARAMS.glob("*.yaml")), ids=lambda path: path.stem
)
def test_so_they_are_in_each_system(path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "clap_sb.features.mel_filters",
        lambda *numbers: asked.append(numbers) or mel_filters(*numbers),
    )
    system = Config(path.read_text(encoding="utf-8")).extract(["log_mel"])
    if "EssentiaLogMel" in system:
        pytest.skip("Essentia's filters are another rule's: tests/test_aisfx.py")
    found = Config(system).build()["log_mel"].mel_filters
    assert torch.equal(found, theirs(*asked[0]))


def test_a_band_without_a_bin_is_warned_of():
    numbers = EDGES | {"sample_rate": 48000}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mel_filters(**numbers)
    with pytest.warns(UserWarning, match=r"\d+ of 256 mel bands.*at 6\d.*, \.\.\. Hz"):
        mel_filters(**numbers | {"n_mels": 256})
    with pytest.warns(UserWarning, match="of 64 mel bands.*f_max of 8000 Hz at most"):
        LogMel(sample_rate=16000)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"mel_scale": "bark"}, "'bark'"),
        ({"mel_norm": "area"}, "'area'"),
        ({"f_min": 14000.0}, "14000.0 to 14000.0"),
        ({"f_min": -1.0}, "-1.0 to"),
    ],
)
def test_what_is_no_filterbank_is_named(numbers, said):
    with pytest.raises(ValueError, match=said):
        mel_filters(**EDGES | {"sample_rate": 48000} | numbers)
