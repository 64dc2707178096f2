"""Views of clips: the same sound at each rate, and drawn from seed, clip and view."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch

from clap_sb.data.audio import AudioError, read_wav
from clap_sb.data.manifest import Clip
from clap_sb.distillation.log_mel_augment import LogMelAugment
from clap_sb.distillation.views import ViewRules, Views

RATE = 16000
RATES = (8000, 16000)


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> list[Clip]:
    """Tones below 3 kHz, so that both rates hold all of them."""
    folder, found = tmp_path_factory.mktemp("views"), []
    for number, seconds in enumerate((1.0, 2.5, 0.6)):
        time = np.arange(round(seconds * RATE)) / RATE
        wav = 0.3 * np.sin(2 * np.pi * (500 + 700 * number) * time)
        path = folder / f"{number}.wav"
        soundfile.write(path, wav, RATE)
        found.append(Clip(f"{number}", str(path), seconds))
    return found


def views(clips: list[Clip], seed: int = 1, **rules) -> Views:
    return Views(clips, ViewRules(**rules), seed, 1.0, RATES)


def test_the_first_view_is_the_clip(clips):
    wavs = views(clips).hear(0, 0)
    for wav, rate in zip(wavs, RATES, strict=True):
        assert torch.equal(wav, read_wav(clips[0].path, rate))


@pytest.mark.parametrize("view", range(1, 7))
def test_both_rates_hear_the_same_sound(clips, view):
    low, high = views(clips).hear(1, view)
    assert len(low) == RATES[0] and len(high) == RATES[1]
    assert high.abs().max() > 0.01
    # they may be half a sample apart, which counts where a sound begins anew; another
    # speed, level or sound would be farther off than the whole
    spectra = [torch.fft.rfft(wav).abs() / len(wav) for wav in (low, high)]
    most = spectra[0][:3000].norm()
    assert (spectra[0][:3000] - spectra[1][:3000]).norm() < 0.25 * most


def test_a_view_follows_from_seed_clip_and_number(clips):
    first = views(clips).hear(1, 3)[0]
    assert torch.equal(first, views(clips).hear(1, 3)[0])
    others = [views(clips, seed=2).hear(1, 3), views(clips).hear(1, 4)]
    assert all(not torch.equal(first, other[0]) for other in others)


def test_speed_changes_pitch_and_length(clips):
    """Half of the views are played at another speed: here, twice as fast."""
    heard = [
        views(clips, speed=(2.0, 2.0), mixed=0.0, rolled=False).hear(0, view)[1]
        for view in range(1, 12)
    ]
    lengths = {len(wav) for wav in heard}
    assert lengths == {RATE, RATE // 2}
    peaks = {int(torch.fft.rfft(wav).abs().argmax() * RATE / len(wav)) for wav in heard}
    assert peaks == {500, 1000}


def test_a_mix_has_the_other_at_its_level(clips):
    rules = {"speed": (1.0, 1.0), "gain": (0.0, 0.0), "rolled": False}
    level = {"mix_level": (6.0, 6.0), "mixed": 1.0}
    wav = views(clips[:2], **rules, **level).hear(0, 1)[1]
    spectrum = torch.fft.rfft(wav).abs()
    own, other = (spectrum[frequency] for frequency in (500, 1200))
    assert 20 * torch.log10(own / other) == pytest.approx(6.0, abs=0.3)


def test_gain_is_within_its_limits(clips):
    rules = {"speed": (1.0, 1.0), "mixed": 0.0, "rolled": False}
    loud = max(views(clips, **rules, gain=(0.0, 0.0)).hear(0, 1)[1])
    found = [max(views(clips, **rules).hear(0, v)[1]) / loud for v in range(1, 20)]
    decibel = 20 * torch.tensor(found).log10()
    assert decibel.min() >= -12.1 and decibel.max() <= 6.1 and decibel.std() > 2


PLAIN = {"speed": (1.0, 1.0), "gain": (0.0, 0.0), "mixed": 0.0, "rolled": False}


def test_what_is_played_backwards_ends_where_it_began(clips):
    plain = views(clips, **PLAIN).hear(2, 1)
    turned = views(clips, **PLAIN, backwards=1.0).hear(2, 1)
    for wav, other in zip(plain, turned, strict=True):
        assert not torch.equal(wav, other) and torch.equal(wav, other.flip(0))
    heard = [views(clips, **PLAIN, backwards=0.5).hear(2, v)[0] for v in range(1, 20)]
    assert 3 < sum(torch.equal(wav, plain[0]) for wav in heard) < 16


def test_a_colour_is_the_same_at_both_rates(clips):
    """500 Hz and 1,200 Hz, one octave and a quarter apart, change by an amount each."""
    own = views(clips, **PLAIN)
    coloured = views(clips, **PLAIN, colour=6.0)
    gains = []
    for view in range(1, 20):
        for index in (0, 1):
            pairs = zip(own.hear(index, view), coloured.hear(index, view), strict=True)
            low, high = (20 * torch.log10(b.std() / a.std()) for a, b in pairs)
            assert low == pytest.approx(float(high), abs=0.3)
            gains.append(float(low))
    gains = torch.tensor(gains).view(-1, 2)
    # full scale keeps what is raised within it
    assert gains.std() > 2 and (gains[:, 0] - gains[:, 1]).abs().max() > 2


def test_nothing_is_louder_than_full_scale(clips):
    heard = views(clips, gain=(30.0, 30.0)).hear(0, 1)
    assert max(float(wav.abs().max()) for wav in heard) <= 1.0


def test_a_file_that_is_none_is_told(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"no sound")
    with pytest.raises(AudioError, match="a.wav"):
        views([Clip("a", str(path), 1.0)]).hear(0, 0)


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ({"gain": (6.0, -6.0)}, "lower one first"),
        ({"speed": (0.0, 1.0)}, "speeds above 0"),
        ({"mixed": 1.5}, "mixed is a share, from 0 to 1"),
        ({"backwards": -0.5}, "backwards is a share, from 0 to 1"),
        ({"colour": -1.0}, "colour is 0 dB or more"),
    ],
)
def test_rules_that_are_none_are_refused(rules, told):
    with pytest.raises(ValueError, match=told):
        ViewRules(**rules)


def test_what_is_done_to_a_log_mel_keeps_its_frames():
    torch.manual_seed(1)
    log_mel = torch.randn(3, 1, 40, 16)
    found = LogMelAugment(gain=0.0, tilt=0.0)(log_mel)
    for own, heard in zip(log_mel, found, strict=True):
        turned = [torch.equal(own.roll(shift, 1), heard) for shift in range(40)]
        assert any(turned)
    level = LogMelAugment(tilt=0.0, rolled=False)(log_mel) - log_mel
    assert level.flatten(1).std(1).max() < 1e-5
    assert level.abs().max() <= 6.0 and level.std() > 0.5
    colour = LogMelAugment(gain=0.0, rolled=False)(log_mel) - log_mel
    torch.testing.assert_close(colour, colour[:, :, :1].expand_as(colour))
    assert colour.std() > 0.5
