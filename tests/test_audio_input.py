"""Whatever audio users have: in any form, at any rate, of any length."""

from __future__ import annotations

import io
import random
import re
import tracemalloc
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from builders import CLIP_SAMPLES, SAMPLE_RATE, tiny_clap

from clap_sb.data.audio import AudioError, AudioFile, read_wav, resample
from clap_sb.inference import CLAP
from clap_sb.inference.audio_input import WaveformInput, open_input, split_inputs
from clap_sb.inference.window_embeddings import embed_windows
from clap_sb.inference.windows import read_windows


@pytest.fixture(scope="module")
def clap(tmp_path_factory):
    return CLAP(tiny_clap(tmp_path_factory.mktemp("text")))


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(*shape, generator=generator)


def write(path: Path, wav: torch.Tensor, rate: int, **options) -> Path:
    soundfile.write(
        path, wav.numpy() if wav.ndim == 1 else wav.T.numpy(), rate, **options
    )
    return path


def same(found: torch.Tensor, expected: torch.Tensor, atol: float = 1e-6) -> None:
    torch.testing.assert_close(found, expected, atol=atol, rtol=0)


def test_channels_are_averaged_whatever_the_form(clap, tmp_path):
    stereo = noise(2, 9000)
    expected = clap.encode_audio(stereo.mean(0), SAMPLE_RATE)
    path = write(tmp_path / "a.wav", stereo, SAMPLE_RATE, subtype="FLOAT")
    opened = io.BytesIO(path.read_bytes())
    forms = [[stereo], [stereo.numpy()], stereo[None], (stereo.double(),)]
    for form in forms:
        same(clap.encode_audio(form, SAMPLE_RATE), expected)
    for file in (path, str(path), opened, opened, [path], [opened, path]):
        rows = clap.encode_audio(file)
        same(rows, expected.expand(len(rows), -1))
    with open(path, "rb") as file:
        same(clap.embed_files(file), expected)


def test_a_matrix_is_a_batch_of_clips_and_no_channels(clap):
    batch = noise(2, 9000)
    rows = clap.encode_audio(batch, SAMPLE_RATE)
    assert rows.shape == (2, 12)
    same(rows, clap.encode_audio(list(batch), SAMPLE_RATE))


def test_files_and_waveforms_mix_in_one_call(clap, tmp_path):
    wav = noise(9000)
    path = write(tmp_path / "a.flac", wav, SAMPLE_RATE, subtype="PCM_24")
    rows = clap.encode_audio([path, wav], SAMPLE_RATE)
    same(rows[0], rows[1], atol=1e-4)
    with pytest.raises(ValueError, match="sample_rate"):
        clap.encode_audio([path, wav])


def test_one_file_has_one_embedding(clap, tmp_path):
    """Ten calls: alone and in company, before and after shuffling."""
    long = write(tmp_path / "long.wav", noise(23 * 1000, seed=1), 1000)
    others = [
        write(tmp_path / f"{i}.wav", noise(seconds * 1000, seed=i + 2), 1000)
        for i, seconds in enumerate([1, 3, 7, 40])
    ]
    expected = clap.embed_files([long])[0]
    draw = random.Random(0)
    for call in range(10):
        files = [long, *others] if call % 2 else [long]
        draw.shuffle(files)
        rows = clap.embed_files(files, batch_size=1 + call)
        same(rows[files.index(long)], expected)


@pytest.mark.parametrize(
    ("name", "channels", "rate", "seconds", "subtype"),
    [
        ("stereo.mp3", 2, 8000, 4.0, None),
        ("short.wav", 1, 44100, 0.3, "PCM_16"),
        ("fine.flac", 1, 48000, 3.0, "PCM_24"),
        ("odd.ogg", 3, 22050, 2.0, None),
    ],
)
def test_formats_rates_and_channels(
    clap, tmp_path, name, channels, rate, seconds, subtype
):
    wav = noise(channels, int(seconds * rate))
    path = write(tmp_path / name, wav, rate, subtype=subtype)
    expected = clap.encode_audio(read_wav(path, SAMPLE_RATE), SAMPLE_RATE)
    same(clap.embed_files([path]), expected)


def test_a_long_file_is_never_in_memory_whole(clap, tmp_path):
    """Ten minutes of 16 bits are 27 MB once decoded and resampled; windows are 80 kB.

    NumPy tells `tracemalloc` of what libsndfile decodes into; torch's own memory is
    a copy of that, and no larger.
    """
    path = write(tmp_path / "long.wav", noise(600 * 11025), 11025)
    tracemalloc.start()
    clap.embed_files(path, batch_size=4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2e6 < 4 * 600 * 11025


def test_windows_read_from_a_file_are_those_of_the_whole(tmp_path):
    path = write(tmp_path / "a.wav", noise(2, 44100), 44100, subtype="FLOAT")
    whole = read_wav(path, 16000)
    with AudioFile(path, 16000) as file:
        windows = list(read_windows(file, 5000, hop=1300, at_once=3))
    starts = [*range(0, 11000, 1300), 11000]
    assert len(windows) == len(starts)
    for start, window in zip(starts, windows, strict=True):
        same(window, whole[start : start + 5000])


def test_window_embeddings_are_those_of_the_parts(clap):
    wav = noise(30000)
    found = embed_windows(clap, wav, SAMPLE_RATE, window=1.5, hop=0.5, batch_size=2)
    assert found.start.tolist() == [0.0, 0.5, 1.0, 1.5, 2.0, 2.25]
    assert (found.end - found.start).tolist() == [1.5] * 6
    begins = (found.start * SAMPLE_RATE).int().tolist()
    parts = [wav[begin : begin + 12000] for begin in begins]
    same(found.embedding, clap.encode_audio(parts, SAMPLE_RATE))
    whole = embed_windows(clap, wav[:999], SAMPLE_RATE)
    same(whole.embedding, clap.encode_audio(wav[:999], SAMPLE_RATE))
    for window, hop in ((1.0, 2.0), (0.0, None), (1.0, 0.0), (99.0, 1.0)):
        with pytest.raises(ValueError, match="windows of"):
            embed_windows(clap, wav, SAMPLE_RATE, window=window, hop=hop)


def test_what_is_one_clip():
    assert split_inputs(Path("a.wav")) == [Path("a.wav")]
    assert len(split_inputs([np.zeros(3), "a.wav"])) == 2
    assert len(split_inputs(np.zeros((4, 100)))) == 4
    sound = WaveformInput(noise(3, 100), 8000, 8000)
    assert sound.num_samples == 100


def test_errors_name_the_file(tmp_path):
    path = tmp_path / "bad.wav"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(AudioError, match="bad.wav"):
        open_input(path, None, 16000)
    with open(path, "rb") as file, pytest.raises(AudioError, match="bad.wav"):
        open_input(file, None, 16000)
    with pytest.raises(AudioError, match="the audio given"):
        open_input(io.BytesIO(b"nothing of the kind"), None, 16000)


def test_a_batch_as_speechbrain_has_it(clap):
    wavs = torch.zeros(2, CLIP_SAMPLES + 5000)
    wavs[0], wavs[1, :6000] = noise(CLIP_SAMPLES + 5000), noise(6000, seed=1)
    lens = torch.tensor([1.0, 6000 / (CLIP_SAMPLES + 5000)])
    expected = clap.encode_audio([wavs[0], wavs[1, :6000]], SAMPLE_RATE)
    same(clap.encode_batch(wavs, lens), expected)
    same(clap(wavs, lens), expected)
    same(clap.encode_batch(wavs[0]), expected[:1])


@pytest.mark.parametrize("channels", [2, 6, 9, 16, 64])
def test_a_file_the_wrong_way_round_is_refused(clap, tmp_path, channels):
    """soundfile gives ``[time, channels]``: as a batch, a clip a sample."""
    path = write(tmp_path / "a.wav", noise(channels, 9000), SAMPLE_RATE)
    wav, rate = soundfile.read(path)
    for form in (wav, torch.from_numpy(wav), [wav], wav[None]):
        with pytest.raises(ValueError, match="transpose what came as"):
            clap.encode_audio(form, rate)
    with pytest.raises(ValueError, match="transpose what came as"):
        clap.encode_batch(torch.from_numpy(wav))
    assert clap.encode_audio(wav.T[None], rate).shape == (1, 12)


@pytest.mark.parametrize("shape", [(60, 2), (64, 2), (100, 5)])
def test_a_few_samples_the_wrong_way_round_are_no_batch(clap, shape):
    wav = noise(*shape)
    for form in (wav, [wav], wav[None]):
        with pytest.raises(ValueError, match="transpose what came as"):
            clap.encode_audio(form, SAMPLE_RATE)
    with pytest.raises(ValueError, match="no clip is so short: transpose"):
        clap.encode_batch(wav)


def test_a_large_batch_of_short_clips_is_one(clap):
    assert len(split_inputs(noise(100, 65))) == 100
    assert clap.encode_batch(noise(70, 500)).shape == (70, 12)


def test_one_channel_is_mono_either_way_round(clap, tmp_path):
    path = write(tmp_path / "a.wav", noise(9000), SAMPLE_RATE)
    wav, rate = soundfile.read(path, always_2d=True)
    assert wav.shape == (9000, 1)
    expected = clap.encode_audio(wav[:, 0], rate)
    for form in (wav, [wav], wav[None], wav.T):
        same(clap.encode_audio(form, rate), expected)
    same(clap.encode_batch(torch.from_numpy(wav)), expected)
    same(embed_windows(clap, wav, rate).embedding, expected)


@pytest.mark.parametrize(
    ("lens", "said"),
    [
        ([9000, 6000], "relative, in (0, 1], got 9000 for clip 0"),
        ([1.0000001, 1.0], "got 1.0000001 for clip 0"),
        ([1.0, 1.5], "got 1.5 for clip 1: divide sample counts by the 9000"),
        ([1.0, float("nan")], "got nan for clip 1"),
        ([0.0, 1.0], "got 0 for clip 0"),
        ([1.0, -0.5], "got -0.5 for clip 1"),
        ([1.0], "one length a clip: [2], got [1]"),
        ([1.0, 1.0, 1.0], "one length a clip: [2], got [3]"),
    ],
)
def test_lengths_are_relative(clap, lens, said):
    wavs, wav_lens = noise(2, 9000), torch.tensor(lens)
    heard_by = (
        clap.encode_batch,
        clap,
        clap.model.encode_audio,
        clap.model.audio_encoder,
        clap.model.audio_encoder.frames,
    )
    for hear in heard_by:
        with pytest.raises(ValueError, match=re.escape(said)):
            hear(wavs, wav_lens)
    with pytest.raises(ValueError, match=re.escape(said)):
        clap.classify_batch(wavs, wav_lens, labels=["dog", "rain"])


def test_lengths_of_a_graph_are_not_looked_at(clap):
    """A tower compiles whole, and gives what it gives without."""
    tower = clap.model.audio_encoder
    wavs, wav_lens = noise(2, 9000), torch.tensor([1.0, 0.5])
    graph = torch.compile(tower, backend="eager", fullgraph=True)
    with torch.no_grad():
        same(graph(wavs, wav_lens), tower(wavs, wav_lens))


@pytest.mark.parametrize(
    ("wavs", "said"),
    [
        (torch.zeros(2, 2, 9000), "mono"),
        (torch.zeros(2, 0), "a sample at least"),
        (torch.zeros(2, 9000, dtype=torch.int16), "divide integers"),
        (torch.zeros(2, 9000, dtype=torch.bool), "truth values.* are no waveform"),
        (torch.zeros(2, 9000, dtype=torch.complex64), "complex numbers are"),
        (torch.full((2, 9000), float("nan")), "not finite"),
    ],
)
def test_what_is_no_batch_is_refused(clap, wavs, said):
    with pytest.raises(ValueError, match=said):
        clap.encode_batch(wavs)


def test_sounds_of_a_data_set_are_taken(clap, tmp_path):
    """As `datasets` gives them: each with its own rate."""
    stereo = noise(2, 9000)
    path = write(tmp_path / "a.wav", stereo, 22050, subtype="FLOAT")
    expected = clap.encode_audio(path)
    decoded = {
        "array": stereo.numpy(),
        "sampling_rate": 22050,
        "path": "not/there.wav",
    }
    decoder = SimpleNamespace(
        get_all_samples=lambda: SimpleNamespace(data=stereo, sample_rate=22050)
    )
    undecoded = {"bytes": path.read_bytes(), "path": None}
    named = {"bytes": None, "path": str(path)}
    as_list = decoded | {"array": stereo.mean(0).tolist()}
    for sound in (decoded, decoder, undecoded, named, as_list):
        same(clap.encode_audio(sound), expected)
        rows = clap.encode_audio([sound, noise(9000), path], SAMPLE_RATE)
        same(rows[[0, 2]], expected.expand(2, -1))
        same(embed_windows(clap, sound).embedding, embed_windows(clap, path).embedding)
        same(clap.embed_files(sound), expected)
    with pytest.raises(ValueError, match=r"has \['wav'\]"):
        clap.encode_audio({"wav": stereo})
    with pytest.raises(ValueError, match="sample rate of a waveform has to be told"):
        clap.encode_audio({"array": stereo})


def test_a_sound_of_a_data_set_without_a_rate_has_the_one_given(clap):
    wav = noise(9000)
    expected = clap.encode_audio(wav, SAMPLE_RATE)
    for sound in ({"array": wav}, {"array": wav, "sampling_rate": None}):
        same(clap.encode_audio(sound, SAMPLE_RATE), expected)
        same(clap.encode_audio([wav, sound], SAMPLE_RATE), expected.expand(2, -1))


@pytest.mark.parametrize(
    "rate", [float(SAMPLE_RATE), np.int32(SAMPLE_RATE), torch.tensor(SAMPLE_RATE)]
)
def test_a_whole_rate_is_taken_whatever_holds_it(clap, rate):
    wav = noise(9000)
    same(clap.encode_audio(wav, rate), clap.encode_audio(wav, SAMPLE_RATE))
    expected = resample(wav, 44100, SAMPLE_RATE)
    assert torch.equal(resample(wav, 44100.0, SAMPLE_RATE), expected)


@pytest.mark.parametrize(
    "rate", [44100.5, -44100, 0, 0.5, True, "44100", np.nan, np.inf, np.ones(2)]
)
def test_what_is_no_rate_is_refused(clap, rate):
    with pytest.raises(ValueError, match="whole number of Hz"):
        clap.encode_audio(noise(9000), rate)


def test_arrays_of_any_layout_are_taken(clap):
    wav = noise(9000).numpy()
    expected = clap.encode_audio(wav, SAMPLE_RATE)
    fixed = wav.copy()
    fixed.setflags(write=False)
    steps = np.repeat(wav, 2)[::2]
    forms = [wav[::-1].copy()[::-1], wav.astype(">f4"), fixed, steps, wav.tolist()]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for form in forms:
            same(clap.encode_audio([form], SAMPLE_RATE), expected)


@pytest.mark.parametrize(
    ("wavs", "said"),
    [
        (None, "None is no audio"),
        (b"RIFF", "type bytes is no audio"),
        (np.array(["a"]), "no array of samples"),
        (np.zeros(9000, dtype=complex), "complex numbers are"),
        (np.zeros(9000, dtype=bool), "truth values.* are no waveform"),
        (np.zeros(9000, dtype=np.int16), "divide integers"),
        ((noise(9000), SAMPLE_RATE), f"clip 2 of 2: {SAMPLE_RATE} is no audio"),
        ([noise(9000), None], "clip 2 of 2: None is no audio"),
        ([noise(9000), np.full(9000, np.nan)], "clip 2 of 2: .* not finite"),
        (np.full(9000, np.nan), "^a clip: some samples are not finite"),
    ],
)
def test_what_is_no_audio_is_named(clap, wavs, said):
    with pytest.raises(ValueError, match=said):
        clap.encode_audio(wavs, SAMPLE_RATE)
