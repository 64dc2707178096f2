"""One channel of several: the mean, or the loudest where they cancel."""

import numpy as np
import pytest
import soundfile
import torch
from builders import tiny_clap
from sound_files import encode, recording

from clap_sb.data.audio import AudioFile, probe, read_wav
from clap_sb.data.channels import ChannelEnergies, to_mono
from clap_sb.inference import CLAP

RATE = 16000


@pytest.fixture
def mono():
    return recording(4, RATE, 1)[:, 0]


def heard(tmp_path, wav, rate=RATE):
    path = tmp_path / "a.wav"
    soundfile.write(path, wav, rate, subtype="FLOAT")
    return read_wav(path, rate).numpy(), probe(path).remarks


@pytest.mark.parametrize("right", [-1.0, -0.8, -1.2])
def test_channels_that_cancel_are_heard_by_the_loudest(tmp_path, mono, right):
    wav, remarks = heard(tmp_path, np.stack([mono, right * mono], 1))
    loudest = mono if abs(right) <= 1 else right * mono
    assert np.allclose(wav, loudest, atol=1e-7)
    channel = 1 if abs(right) <= 1 else 2
    assert any(f"channel {channel} alone is heard" in text for text in remarks)


@pytest.mark.parametrize("kind", ["equal", "one silent", "unrelated", "quieter"])
def test_other_channels_are_averaged(tmp_path, mono, kind):
    other = recording(4, RATE, 1, seed=7)[:, 0]
    second = {"equal": mono, "one silent": 0 * mono, "unrelated": other}.get(
        kind, -0.3 * mono
    )
    stereo = np.stack([mono, second], 1)
    wav, remarks = heard(tmp_path, stereo)
    assert np.allclose(wav, stereo.mean(1), atol=1e-7)
    assert not remarks


def test_many_channels_of_which_one_has_sound_are_averaged(tmp_path, mono):
    wav = np.zeros((len(mono), 16), np.float32)
    wav[:, 5] = mono
    assert np.allclose(heard(tmp_path, wav)[0], mono / 16, atol=1e-7)


@pytest.mark.parametrize("azimuth", [0, 90, 180])
def test_ambisonic_sound_is_heard_from_all_sides(tmp_path, mono, azimuth):
    angle = np.deg2rad(azimuth)
    # first order, in the order W, Y, Z, X with SN3D norms
    gains = [1, np.sin(angle), 0, np.cos(angle)]
    wav, _ = heard(tmp_path, np.stack([gain * mono for gain in gains], 1))
    level = np.sqrt(np.square(wav).mean() / np.square(mono).mean())
    assert level >= 0.49


def test_the_rule_is_one_for_all_formats_and_spans(tmp_path, mono):
    stereo = np.stack([mono, -mono], 1)
    paths = [tmp_path / name for name in ("a.wav", "a.flac", "a.mp3", "a.m4a")]
    for path in paths[:2]:
        soundfile.write(path, stereo, RATE)
    encode(paths[2], stereo, RATE, "libmp3lame", "mp3", 128000)
    encode(paths[3], stereo, RATE, "aac", "ipod", 128000)
    for path in paths:
        whole = read_wav(path, RATE)
        assert whole.abs().max() > 0.3
        with AudioFile(path, RATE) as file:
            assert torch.equal(file.read(30000, 40000), whole[30000:40000])
            assert "channel 1 alone" in file.remarks[0]


def test_silence_before_a_sound_decides_nothing(tmp_path, mono):
    silence = np.zeros((70 * RATE, 2), np.float32)
    stereo = np.concatenate([silence, np.stack([mono, -mono], 1)])
    wav, remarks = heard(tmp_path, stereo)
    assert np.allclose(wav[70 * RATE :], mono, atol=1e-7)
    assert len(remarks) == 1


def test_what_comes_after_the_first_minute_of_sound_decides_nothing():
    random = np.random.default_rng(0)
    noise = random.standard_normal((60 * 100, 1)) * [1, 1]
    energies = ChannelEnergies(100)
    energies.add(noise)
    assert energies.is_settled
    energies.add(100 * noise * [1, -1])
    assert energies.channel is None


def test_silence_has_no_remarks(tmp_path):
    wav, remarks = heard(tmp_path, np.zeros((RATE, 2)))
    assert not wav.any()
    assert not remarks


def test_whole_numbers_as_floats_are_told(tmp_path, mono):
    for channels in (1, 2):
        wav, remarks = heard(tmp_path, np.stack([mono * 32768] * channels, 1))
        assert wav.max() > 1000  # heard as it is: nothing is guessed
        assert "far outside [-1, 1]" in remarks[0]
    assert not heard(tmp_path, 3 * mono)[1]


def test_to_mono_is_the_mean_in_float32():
    frames = recording(0.1, RATE, 2)
    assert to_mono(frames, None).dtype == np.float32
    assert np.array_equal(to_mono(frames, 1), frames[:, 1])
    assert np.allclose(to_mono(frames, None), frames.mean(1), atol=1e-7)


def test_arrays_and_files_are_heard_by_the_same_rule(tmp_path, mono):
    clap = CLAP(tiny_clap(tmp_path))
    stereo = np.stack([mono, -mono])
    path = tmp_path / "turned over.wav"
    soundfile.write(path, stereo.T, RATE, subtype="FLOAT")
    expected = clap.encode_audio(mono, RATE)
    with pytest.warns(UserWarning, match=r"turned over\.wav: its channels cancel"):
        found = clap.embed_files([path])
    assert torch.equal(found, expected)
    for given in ([stereo], stereo[None], [{"array": stereo, "sampling_rate": RATE}]):
        with pytest.warns(UserWarning, match="a clip: its channels cancel"):
            assert torch.equal(clap.encode_audio(given, RATE), expected)
    with pytest.warns(UserWarning, match="far outside"):
        clap.encode_audio(mono * 32768, RATE)
