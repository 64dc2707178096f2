"""Sounds that cannot be used, or only in part: each says so, and for itself."""

import io
import os
import struct
import sys

import numpy as np
import pytest
import soundfile
from sound_files import add_video, encode, make, recording

from clap_sb.data.audio import AudioFile, probe, probe_to_end, read_wav
from clap_sb.data.audio_source import AudioError
from clap_sb.data.sound import open_sound


def test_chained_ogg_of_other_rates_says_so(tmp_path):
    paths = [tmp_path / "a.ogg", tmp_path / "b.ogg"]
    for path, rate in zip(paths, (44100, 22050), strict=True):
        soundfile.write(path, recording(1, rate), rate, subtype="VORBIS")
    paths[0].write_bytes(b"".join(path.read_bytes() for path in paths))
    with pytest.raises(AudioError, match=r"a\.ogg: its parts differ .*44100.*22050"):
        probe(paths[0])


@pytest.mark.parametrize("kept", [1 / 3, 2 / 3, 0.97])
@pytest.mark.parametrize(
    "name",
    "pcm16.wav pcm24.wave adpcm.wav pcm.aiff pcm.au pcm.w64 pcm.rf64 pcm.caf "
    "vorbis.ogg opus.opus flac_in.oga header.mp3 vbr.mp3 cbr.mp3 flac.flac gsm.wav "
    "wavpack.wv tta.tta alac.caf".split(),
)
def test_broken_off_downloads_are_no_whole_clips(tmp_path, name, kept):
    path, *_ = make(tmp_path, name, 5.0)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    for source in (path, io.BytesIO(path.read_bytes())):
        with pytest.raises(AudioError, match="cut short|corrupt"):
            probe_to_end(source)
        with pytest.raises(AudioError, match="cut short|corrupt"):
            read_wav(source, 16000)


def test_broken_off_mp4_is_no_whole_clip(tmp_path):
    wav = recording(5, 44100)
    path = encode(
        tmp_path / "a.m4a", wav, 44100, "aac", "mp4", 128000, movflags="faststart"
    )
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(AudioError, match="cut short"):
        read_wav(path, 16000)


@pytest.mark.parametrize("size", [0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_wav_from_a_pipe_is_whole(tmp_path, size):
    path, wav, rate = make(tmp_path, "pcm16.wav", 1.0)
    content = bytearray(path.read_bytes())
    at = content.index(b"data")
    content[at + 4 : at + 8] = struct.pack("<I", size)
    path.write_bytes(content)
    assert len(read_wav(path, rate)) == len(wav)


def test_wav_whose_size_counts_its_header_is_whole(tmp_path):
    path, wav, rate = make(tmp_path, "pcm16.wav", 1.0)
    content = bytearray(path.read_bytes())
    at = content.index(b"data")
    content[at + 4 : at + 8] = struct.pack("<I", 4 * len(wav) + 44)
    path.write_bytes(content)
    assert len(read_wav(path, rate)) == len(wav)


def test_video_without_sound_says_so(tmp_path):
    path = add_video(None, tmp_path / "silent.mp4")
    with pytest.raises(AudioError, match=r"silent\.mp4: there is no sound in the file"):
        probe(path)


def test_playlists_are_not_followed(tmp_path):
    make(tmp_path, "bare.aac")
    path = tmp_path / "list.m3u8"
    path.write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:3,\nbare.aac\n#EXT-X-ENDLIST\n"
    )
    with pytest.raises(AudioError, match="cannot be decoded"):
        probe(path)


@pytest.mark.skipif(sys.platform == "win32", reason="names are Unicode there")
@pytest.mark.parametrize("name", ["pcm16.wav", "aac.m4a", "vorbis.ogg", "vbr.mp3"])
def test_names_that_are_not_utf8(tmp_path, name):
    path, *_ = make(tmp_path, name)
    other = os.fsdecode(os.fsencode(tmp_path) + b"/Pi\xe8ce." + name[-3:].encode())
    os.rename(path, other)
    assert probe_to_end(other).duration == pytest.approx(3.0)


@pytest.mark.parametrize("suffix", ["raw", "pcm"])
def test_samples_without_a_header_are_that_file_s(tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"
    recording(1, 8000).astype("<i2").tofile(path)
    with pytest.raises(AudioError, match=rf"x\.{suffix}: cannot be decoded"):
        probe(path)


def test_errors_of_the_system_are_that_file_s(tmp_path, monkeypatch):
    from clap_sb.data import sound

    path, *_ = make(tmp_path, "pcm16.wav")

    def fails(_source):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(sound, "choose_decoder", fails)
    with pytest.raises(AudioError, match=r"pcm16\.wav: cannot be read \(Input/output"):
        open_sound(path)


@pytest.mark.parametrize("seconds", [2, 95])
@pytest.mark.parametrize("name", ["x.wav", "x.mka"])
def test_a_probe_to_the_end_finds_what_is_no_number(tmp_path, name, seconds):
    """Anywhere, also beyond the minute in which channels are compared."""
    wav = recording(seconds, 8000, 1)
    path = tmp_path / name
    if name == "x.wav":
        soundfile.write(path, wav, 8000, subtype="FLOAT")
        assert probe_to_end(path).duration == seconds
        wav[-4000] = np.nan
        soundfile.write(path, wav, 8000, subtype="FLOAT")
    else:
        wav[-4000] = np.nan
        encode(path, wav, 8000, "pcm_f32le", "matroska")
    with pytest.raises(AudioError, match=r"x\.\w+: some samples are not finite"):
        probe_to_end(path)


def test_a_codec_that_nobody_knows_is_that_file_s(tmp_path):
    path, *_ = make(tmp_path, "opus.webm")
    path.write_bytes(path.read_bytes().replace(b"A_OPUS", b"A_OPZZ"))
    with pytest.raises(AudioError, match=r"opus\.webm: its codec is none that"):
        probe(path)


def test_a_file_that_goes_while_it_is_read_is_that_file_s(tmp_path):
    path, _, rate = make(tmp_path, "bare_vbr.mp3", 70.0)
    with AudioFile(path, rate) as file:
        file.read(65 * rate, 66 * rate)
        path.unlink()
        with pytest.raises(AudioError, match=r"bare_vbr\.mp3: cannot be read"):
            file.read(0, 1000)


@pytest.mark.parametrize("kept", [0.5, 0.95])
@pytest.mark.parametrize("name", ["opus.webm", "aac.mka", "flac.mkv", "wma.wma"])
def test_broken_off_containers_are_no_whole_clips(tmp_path, name, kept):
    path, *_ = make(tmp_path, name, 6.0)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(AudioError, match="cut short|corrupt"):
        probe_to_end(path)


def test_broken_off_avi_is_no_whole_clip(tmp_path):
    wav = recording(6, 44100)
    path = encode(tmp_path / "a.avi", wav, 44100, "libmp3lame", "avi", 128000)
    content = path.read_bytes()
    assert probe_to_end(path).duration == pytest.approx(6, abs=0.1)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(AudioError, match="cut short"):
        probe_to_end(path)


def test_matroska_from_a_pipe_is_whole(tmp_path):
    wav = recording(3, 48000)
    path = encode(tmp_path / "a.webm", wav, 48000, "libopus", "webm", piped=True)
    assert probe_to_end(path).duration == pytest.approx(3, abs=0.03)


def test_a_page_that_is_missing_in_ogg_is_found(tmp_path):
    path, *_ = make(tmp_path, "vorbis.ogg", 8.0)
    content = path.read_bytes()
    pages = [at for at in range(len(content)) if content.startswith(b"OggS", at)]
    begin, end = pages[len(pages) // 2 : len(pages) // 2 + 2]
    path.write_bytes(content[:begin] + content[end:])
    with pytest.raises(AudioError, match="corrupt or cut short"):
        read_wav(path, 44100)


def test_a_part_of_an_ogg_file_that_lacks_its_end_is_told(tmp_path):
    path, *_ = make(tmp_path, "vorbis.ogg", 2.0)
    content = path.read_bytes()
    without_end = content[: content.rindex(b"OggS")]
    path.write_bytes(without_end + content)
    with pytest.raises(AudioError, match="cut short"):
        probe(path)


def test_wav_whose_size_was_never_filled_in_is_whole(tmp_path):
    path, wav, rate = make(tmp_path, "pcm16.wav", 1.0)
    content = bytearray(path.read_bytes())
    at = content.index(b"data")
    content[4:8] = content[at + 4 : at + 8] = bytes(4)
    path.write_bytes(content)
    assert len(read_wav(path, rate)) == len(wav)
