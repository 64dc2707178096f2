"""What no sound has is refused by name, and asks for no memory."""

import io
import struct

import numpy as np
import pytest
import soundfile
import torch
from sound_files import encode, recording

from clap_sb.data.audio import AudioError, AudioFile, probe, probe_to_end, read_wav
from clap_sb.data.sound_limits import LOUDEST
from clap_sb.inference.audio_input import WaveformInput
from clap_sb.inference.waveform import as_batch

_RATE_AT, _CHANNELS_AT = 24, 22  # in the header of a WAV


def wav_with(path, at, form, value):
    """A WAV of half a second, with another number somewhere in its header."""
    soundfile.write(path, recording(0.5, 8000, 1), 8000)
    content = bytearray(path.read_bytes())
    struct.pack_into(form, content, at, value)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("rate", [1, 99, 4_000_001, 2_000_000_000, 4_294_967_295])
def test_a_rate_that_no_sound_has_is_that_file_s(tmp_path, rate):
    path = wav_with(tmp_path / "x.wav", _RATE_AT, "<I", rate)
    for use in (
        probe,
        probe_to_end,
        lambda source: read_wav(source, 48000),
        lambda source: AudioFile(io.BytesIO(source.read_bytes()), 48000),
    ):
        with pytest.raises(AudioError, match=r"Hz|cannot be decoded"):
            use(path)


@pytest.mark.parametrize("rate", [100, 250, 384_000, 2_822_400, 4_000_000])
def test_rates_of_whales_bats_and_dsd_are_heard(tmp_path, rate):
    path = wav_with(tmp_path / "x.wav", _RATE_AT, "<I", rate)
    assert len(read_wav(path, 48000)) == -(-4000 * 48000 // rate)


def test_channels_that_no_sound_has_are_that_file_s(tmp_path):
    path = tmp_path / "x.wav"
    soundfile.write(path, np.zeros((100, 256)), 8000)
    assert probe(path).num_channels == 256
    soundfile.write(path, np.zeros((100, 257)), 8000)
    with pytest.raises(AudioError, match="257 channels, and sounds have from 1 to 256"):
        probe(path)
    soundfile.write(path, np.zeros((100, 256)), 400_000)
    with pytest.raises(AudioError, match="256 channels of 400000 Hz, which together"):
        probe(path)


def test_a_length_that_no_sound_has_is_that_file_s(tmp_path):
    path = tmp_path / "x.flac"
    soundfile.write(path, recording(1, 8000, 1), 8000)
    content = bytearray(path.read_bytes())
    content[21] |= 0x0F  # the 36 bits of the number of samples, all of them set
    content[22:26] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    with pytest.raises(AudioError, match="its header says 99 days"):
        probe(path)


def test_a_length_that_a_sound_may_have_asks_for_no_memory(tmp_path):
    path = tmp_path / "x.flac"
    soundfile.write(path, recording(1, 8000, 1), 8000)
    content = bytearray(path.read_bytes())
    content[22:26] = struct.pack(">I", 10 * 24 * 3600 * 8000 % 2**32)
    content[21] = content[21] & 0xF0 | 10 * 24 * 3600 * 8000 >> 32
    path.write_bytes(content)
    assert probe(path).duration == 10 * 24 * 3600
    with pytest.raises(AudioError, match=r"x\.flac: .*(cut short|memory|cannot be)"):
        read_wav(path, 48000)
    with pytest.raises(AudioError, match=r"x\.flac: .*cut short"):
        probe_to_end(path)


@pytest.mark.parametrize("seconds", [1, 95])
@pytest.mark.parametrize("name", ["x.wav", "x.mka"])
def test_an_absurd_amplitude_is_that_file_s(tmp_path, name, seconds):
    wav = recording(seconds, 8000, 1)
    wav[-4000] = -1e30
    path = tmp_path / name
    if name == "x.wav":
        soundfile.write(path, wav, 8000, subtype="FLOAT")
    else:
        encode(path, wav, 8000, "pcm_f32le", "matroska")
    for use in (probe_to_end, lambda source: read_wav(source, 8000)):
        with pytest.raises(AudioError, match=r"x\.\w+: its samples reach 1e\+30"):
            use(path)


def test_whole_numbers_that_were_saved_as_floats_are_heard(tmp_path):
    path = tmp_path / "x.wav"
    loud = np.full(800, -(2.0**31), dtype=np.float32)
    soundfile.write(path, loud, 8000, subtype="FLOAT")
    assert read_wav(path, 8000).min() == -(2.0**31)
    assert "far outside" in probe(path).remarks[0]


@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.bfloat16])
def test_samples_in_memory_have_the_same_bound(kind):
    wav = torch.zeros(2, 9000, dtype=kind)
    wav[1, 5] = 2 * LOUDEST
    with pytest.raises(ValueError, match=r"a clip: its samples reach 8\.59e\+09"):
        WaveformInput(wav, 8000, 8000)
    with pytest.raises(ValueError, match=r"a clip of the batch: its samples reach"):
        as_batch(wav)
