"""The front end against torchlibrosa's figures, torchaudio and stored values."""

from __future__ import annotations

import math

import pytest
import torch
import torchaudio
from builders import FAMILIES, figure_signal, fixture

from clap_sb.features import LogMel

FIGURES = fixture("log_mel.json")

# Sum, largest value and number of non-zeros of librosa's filterbanks.
FILTERBANKS = [
    ({"sample_rate": 48000}, (1.36443281, 0.01814952, 577)),
    ({"sample_rate": 44100}, (1.48524904, 0.01799036, 629)),
    ({"sample_rate": 32000}, (2.04812622, 0.01814952, 866)),
    (
        {"sample_rate": 48000, "mel_scale": "htk", "mel_norm": None},
        (290.15029907, 0.99762291, 580),
    ),
]

# Two tones through the front ends of the peers' packages: rate and seconds of the
# waveform, dB at frame 100 in bands 0, 10, 20, 30, 40 and 63, mean of the whole map.
TWO_TONES = {
    "laion": (
        (48000, 10, {}),
        (-37.5655, -21.1922, -56.9302, -75.8131, -92.0078, -100.0),
        -65.40016,
    ),
    "laion_fused": (
        (48000, 10, {"mel_scale": "htk", "mel_norm": None}),
        (-24.2018, 20.8883, -39.1535, -58.2994, -72.1289, -97.8667),
        -48.6314,
    ),
    "msclap_2022": (
        (44100, 5, {"sample_rate": 44100, "hop_length": 320}),
        (-39.609, -26.4492, -64.1342, -71.0244, -61.8309, -100.0),
        -60.70832,
    ),
    "msclap_2023": (
        (44100, 7, {"sample_rate": 32000, "hop_length": 320}),
        (-35.3259, -47.7598, -80.9319, 13.59, -90.1355, -100.0),
        -65.98095,
    ),
    "wavcaps": (
        (32000, 10, {"sample_rate": 32000, "hop_length": 320}),
        (-58.6664, -42.4353, -77.3731, -96.3624, -100.0, -100.0),
        -75.96719,
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_log_mel_equals_torchlibrosa(family):
    settings, figures = FAMILIES[family], FIGURES[family]
    wav = figure_signal(settings["sample_rate"])
    log_mel = LogMel(**settings)(wav[None])[0, 0]
    assert len(log_mel) == figures["frames"]
    expected = torch.tensor(figures["log_mel"])
    assert (log_mel[:: figures["every"]] - expected).abs().max() <= 1e-3
    assert abs(log_mel.double().mean().item() - figures["mean"]) <= 1e-4


@pytest.mark.parity
@pytest.mark.parametrize("family", FAMILIES)
def test_stored_figures_are_those_of_torchlibrosa(family):
    pytest.importorskip("torchlibrosa")
    from parity.make_figures import torchlibrosa_log_mel

    settings, figures = FAMILIES[family], FIGURES[family]
    theirs = torchlibrosa_log_mel(**settings)
    expected = torch.tensor(figures["log_mel"])
    assert (theirs[:: figures["every"]] - expected).abs().max() <= 1e-3
    ours = LogMel(**settings)(figure_signal(settings["sample_rate"])[None])[0, 0]
    assert (ours - theirs).abs().max() <= 1e-3


@pytest.mark.parametrize(("settings", "expected"), FILTERBANKS)
def test_filterbank_is_librosas(settings, expected):
    filters = LogMel(**settings).mel_filters
    total, largest, count = expected
    assert filters.shape == (513, 64)
    assert filters.double().sum().item() == pytest.approx(total, rel=1e-5)
    assert filters.max().item() == pytest.approx(largest, rel=1e-5)
    assert int((filters > 0).sum()) == count
    assert (filters > 0).any(0).all(), "a band without a filter"


@pytest.mark.parametrize("family", TWO_TONES)
def test_two_tones(family):
    (rate, seconds, settings), values, mean = TWO_TONES[family]
    t = torch.arange(rate * seconds, dtype=torch.float64) / rate
    wav = 0.5 * torch.sin(2 * math.pi * 440 * t)
    wav += 0.25 * torch.sin(2 * math.pi * 3000 * t)
    log_mel = LogMel(**settings)(wav.float()[None])[0, 0]
    found = log_mel[100, [0, 10, 20, 30, 40, 63]]
    off = (found - torch.tensor(values)).abs()
    # 90 dB below the tones there is the rounding of float32 and nothing else
    within_precision = found > -65.0
    assert off[within_precision].max() <= 2e-3
    assert off.max() <= 0.03
    assert log_mel.double().mean().item() == pytest.approx(mean, abs=2e-3)


def test_htk_variant_equals_torchaudio():
    wav = figure_signal(48000)
    mel = torchaudio.transforms.MelSpectrogram(
        48000,
        n_fft=1024,
        hop_length=480,
        f_min=50,
        f_max=14000,
        n_mels=64,
        mel_scale="htk",
        norm=None,
    )
    to_db = torchaudio.transforms.AmplitudeToDB(top_db=None)
    expected = to_db(mel(wav)).T
    found = LogMel(mel_scale="htk", mel_norm=None)(wav[None])[0, 0]
    assert (found - expected).abs().max() <= 1e-3


def test_autocast_changes_nothing():
    front_end, wav = LogMel(), figure_signal(48000)[None]
    with torch.autocast("cpu", torch.bfloat16):
        found = front_end(wav)
    assert found.dtype == torch.float32
    assert torch.equal(found, front_end(wav))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_low_precision_weights_and_waveforms_give_float32(dtype):
    front_end = LogMel().to(dtype)
    found = front_end(figure_signal(48000)[None].to(dtype))
    assert found.dtype == torch.float32


def test_silence_is_the_floor():
    assert (LogMel()(torch.zeros(2, 4800)) == -100.0).all()
    quiet = LogMel(amin=1e-5)(torch.zeros(1, 4800))
    assert (quiet + 50.0).abs().max() <= 1e-4


def test_too_short_a_waveform_is_named():
    front_end = LogMel()
    assert front_end(torch.zeros(1, 513)).shape == (1, 1, 2, 64)
    with pytest.raises(ValueError, match=r"more than 512 samples.*clips.fill"):
        front_end(torch.zeros(1, 512))
    with pytest.raises(ValueError, match=r"\[batch, time\]"):
        front_end(torch.zeros(48000))


@pytest.mark.parametrize("samples", [513, 959, 960, 961, 480000])
def test_num_frames_is_what_forward_gives(samples):
    front_end = LogMel()
    assert front_end.num_frames(samples) == front_end(torch.zeros(1, samples)).shape[2]


def test_the_filterbank_of_a_checkpoint_wins():
    theirs, ours = LogMel(sample_rate=32000), LogMel()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    wav = figure_signal(32000)[None]
    assert torch.equal(ours(wav), theirs(wav))
