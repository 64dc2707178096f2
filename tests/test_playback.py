"""Sounds of every format as browsers play them: as they are, or as a copy."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tracemalloc
import wave

import av
import numpy as np
import pytest
import sound_files
import soundfile
from faults.mutations import mutated
from sound_files import add_video, encode, make, recording

from clap_sb.data.audio_source import AudioError
from clap_sb.data.sound import open_sound
from clap_sb.search.scan import Stamp
from clap_sb.serve import playback
from clap_sb.serve.playback import Playback
from clap_sb.whole_file import WriteError

AS_IT_IS = {
    "pcm16.wav": "audio/wav",
    "pcm24.wave": "audio/wav",
    "float.wav": "audio/wav",
    "extensible.wav": "audio/wav",
    "flac.flac": "audio/flac",
    "flac_in.oga": "audio/ogg",
    "vorbis.ogg": "audio/ogg",
    "opus.opus": "audio/ogg",
    "header.mp3": "audio/mpeg",
    "vbr.mp3": "audio/mpeg",
    "cbr.mp3": "audio/mpeg",
    "low.mp3": "audio/mpeg",
    "aac.m4a": "audio/mp4",
    "aac.mp4": "audio/mp4",
    "aac.mov": "audio/mp4",
    "opus.webm": "audio/webm",
}


def played(path, folder):
    folder.mkdir(exist_ok=True)
    return Playback(folder).of("digest", {str(path): Stamp.of(path)})


def assert_copy(path, folder):
    """A 16-bit WAV of all channels, and of the length that the index has."""
    playable = played(path, folder)
    assert playable.media_type == "audio/wav"
    assert playable.path == folder / "digest.wav"
    decoder, survey = open_sound(path)
    with soundfile.SoundFile(playable.path) as copy:
        assert (copy.format, copy.subtype) == ("WAV", "PCM_16")
        assert copy.samplerate == decoder.sample_rate
        wav = copy.read(always_2d=True)
    expected = decoder.read(0, survey.num_frames)
    decoder.close()
    assert wav.shape == expected.shape
    assert np.abs(wav - np.clip(expected, -1, 1)).max() <= 2**-15
    return wav


@pytest.mark.parametrize("name", sound_files.NAMES)
def test_every_format_is_played(tmp_path, name):
    path, *_ = make(tmp_path, name, 1.0)
    if name in AS_IT_IS:
        playable = played(path, tmp_path / "copies")
        assert (playable.path, playable.media_type) == (path, AS_IT_IS[name])
    else:
        assert_copy(path, tmp_path / "copies")


def test_chained_ogg_and_joined_mp3_are_played_to_the_end_of_the_last(tmp_path):
    """Browsers stop after the first, or guess how long it is."""
    for name in ("vorbis.ogg", "flac_in.oga", "cbr.mp3"):
        parts = [
            make(tmp_path, name, 1.0, seed=seed)[0].read_bytes() for seed in (1, 2)
        ]
        path = tmp_path / f"joined.{name[-3:]}"
        path.write_bytes(b"".join(parts))
        wav = assert_copy(path, tmp_path / f"copy of {name}")
        assert len(wav) >= 2 * 44100


def test_webm_that_does_not_tell_its_length_is_copied(tmp_path):
    """As browsers record it, and cannot seek in it."""
    wav = recording(2, 48000)
    path = encode(tmp_path / "a.webm", wav, 48000, "libopus", "webm", piped=True)
    assert_copy(path, tmp_path / "copies")


def test_matroska_by_another_name_than_webm_is_copied(tmp_path):
    path = tmp_path / "a.webm"
    encode(path, recording(1, 48000), 48000, "libopus", "matroska")
    assert_copy(path, tmp_path / "copies")


def test_of_a_video_the_sound_alone_is_sent(tmp_path):
    sound, *_ = make(tmp_path, "aac.m4a", 1.0)
    path = add_video(sound, tmp_path / "clip.mp4")
    assert_copy(path, tmp_path / "copies")


def test_the_cover_of_a_record_is_no_video(tmp_path):
    sound, *_ = make(tmp_path, "aac.m4a", 1.0)
    path = tmp_path / "cover.m4a"
    cover = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
    with av.open(str(sound)) as source, av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream_from_template(source.streams.audio[0])
        picture = out.add_stream("mjpeg", rate=25)
        picture.width = picture.height = 64
        picture.pix_fmt = "yuvj420p"
        picture.disposition = av.stream.Disposition.attached_pic.value
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
        out.mux([*picture.encode(cover), *picture.encode(None)])
    playable = played(path, tmp_path / "copies")
    assert (playable.path, playable.media_type) == (path, "audio/mp4")


@pytest.mark.parametrize("channels", [1, 6])
def test_a_copy_has_all_channels_and_is_clipped(tmp_path, channels):
    path = tmp_path / "loud.aiff"
    wav = 3 * recording(1, 44100, channels)
    soundfile.write(path, wav, 44100, format="AIFF", subtype="FLOAT")
    copied = assert_copy(path, tmp_path / "copies")
    assert copied.shape[1] == channels and np.abs(copied).max() > 0.99


@pytest.mark.skipif(sys.platform == "win32", reason="names are Unicode there")
@pytest.mark.parametrize("name", ["pcm16.wav", "aac.m4a", "bare_vbr.mp3"])
def test_names_that_are_not_utf8(tmp_path, name):
    path, *_ = make(tmp_path, name, 1.0)
    other = path.rename(tmp_path / (os.fsdecode(b"Pi\xe8ce.") + name[-3:]))
    playable = played(other, tmp_path / "copies")
    assert (playable.path == other) == (name in AS_IT_IS)
    assert playable.path.exists()


def test_a_sound_that_no_wav_can_hold_is_told(tmp_path, monkeypatch):
    path, *_ = make(tmp_path, "pcm.aiff", 1.0)
    monkeypatch.setattr(playback, "_MOST_BYTES", 4 * 44100 - 1)
    with pytest.raises(AudioError, match=r"pcm\.aiff: is too long to be played"):
        played(path, tmp_path / "copies")
    assert list((tmp_path / "copies").iterdir()) == []


def test_a_copy_takes_little_memory(tmp_path):
    """Ten minutes, which are 106 MB as numbers, in blocks of 2 MB."""
    path = tmp_path / "long.aiff"
    soundfile.write(path, np.tile(recording(10, 22050), (60, 1)), 22050)
    tracemalloc.start()
    playable = played(path, tmp_path / "copies")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert soundfile.info(playable.path).frames == 60 * 220500
    assert peak < 20e6


def test_what_is_broken_is_told(tmp_path):
    path = tmp_path / "a.m4a"
    path.write_bytes(b"no sound")
    with pytest.raises(AudioError, match=r"a\.m4a: cannot be decoded"):
        played(path, tmp_path / "copies")


def test_a_disk_that_is_full_is_told_and_no_part_is_left(tmp_path, monkeypatch):
    """Neither under the name of a copy, where it would be played, nor beside it."""
    path, *_ = make(tmp_path, "pcm.aiff", 1.0)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(wave.Wave_write, "writeframesraw", full)
        with pytest.raises(WriteError, match=r"digest\.wav cannot be written .*space"):
            played(path, tmp_path / "copies")
    assert list((tmp_path / "copies").iterdir()) == []
    assert_copy(path, tmp_path / "copies")


@pytest.mark.parametrize("kind", ["vbr.mp3", "bare_vbr.mp3"])
def test_nothing_is_printed_of_damaged_mp3(tmp_path, kind, capfd):
    content = make(tmp_path, kind, 1.0)[0].read_bytes()
    for seed in range(12):
        path = tmp_path / f"{seed}.mp3"
        path.write_bytes(mutated(content, seed))
        with contextlib.suppress(AudioError):
            played(path, tmp_path / f"copies{seed}")
    assert "".join(capfd.readouterr()) == ""


@pytest.mark.parametrize("name", ["vbr.mp3", "bare_vbr.mp3"])
def test_a_sound_that_is_asked_for_in_parts_is_looked_at_once(
    tmp_path, name, monkeypatch
):
    """The frames of an MP3 are counted, which takes long of a long one."""
    path, *_ = make(tmp_path, name, 1.0)
    (tmp_path / "copies").mkdir()
    playback_of_all = Playback(tmp_path / "copies")
    files = {str(path): Stamp.of(path)}
    first = playback_of_all.of("digest", files)
    monkeypatch.setattr(playback, "_media_type", None)  # would fail if it were called
    assert playback_of_all.of("digest", files) == first
