"""The table of suffixes: what is in it can be decoded."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from clap_sb.data.audio import probe_to_end
from clap_sb.data.ffmpeg_container import CONTAINERS
from clap_sb.data.suffixes import SOUND_SUFFIXES, counted, kind_of, sound_order
from clap_sb.search.scan import scan

av = pytest.importorskip("av")

RATE = 48000
# By what libsndfile writes: format and subtype.
SNDFILE = {
    ".wav": ("WAV", "PCM_16"),
    ".bwf": ("WAV", "PCM_24"),
    ".rf64": ("RF64", "PCM_16"),
    ".w64": ("W64", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".aif": ("AIFF", "PCM_16"),
    ".aiff": ("AIFF", "PCM_16"),
    ".aifc": ("AIFF", "ULAW"),
    ".caf": ("CAF", "PCM_16"),
    ".au": ("AU", "PCM_16"),
    ".snd": ("AU", "ULAW"),
    ".sph": ("NIST", "PCM_16"),
    ".nist": ("NIST", "ULAW"),
    ".voc": ("VOC", "PCM_16"),
    ".ircam": ("IRCAM", "PCM_16"),
    ".sf": ("IRCAM", "PCM_16"),
    ".avr": ("AVR", "PCM_16"),
    ".paf": ("PAF", "PCM_16"),
    ".pvf": ("PVF", "PCM_16"),
    ".8svx": ("SVX", "PCM_S8"),
    ".svx": ("SVX", "PCM_S8"),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}
# By what FFmpeg's libraries in PyAV write: format, codec and rate.
FFMPEG = {
    ".wave": ("wav", "pcm_s24le", RATE),
    ".wv": ("wv", "wavpack", RATE),
    ".tta": ("tta", "tta", RATE),
    ".oga": ("oga", "flac", RATE),
    ".m4a": ("ipod", "aac", RATE),
    ".m4b": ("ipod", "alac", RATE),
    ".m4r": ("ipod", "aac", RATE),
    ".3ga": ("3gp", "aac", RATE),
    ".aac": ("adts", "aac", RATE),
    ".adts": ("adts", "aac", RATE),
    ".latm": ("latm", "aac", RATE),
    ".loas": ("latm", "aac", RATE),
    ".mp2": ("mp2", "mp2", RATE),
    ".mpa": ("mp2", "mp2", RATE),
    ".m2a": ("mp2", "mp2", RATE),
    ".mpga": ("mp3", "libmp3lame", 8000),
    ".wma": ("asf", "wmav2", 44100),
    ".weba": ("webm", "libopus", RATE),
    ".mka": ("matroska", "flac", RATE),
    ".ac3": ("ac3", "ac3", RATE),
    ".eac3": ("eac3", "eac3", RATE),
    ".ec3": ("eac3", "eac3", RATE),
    ".g722": ("g722", "g722", 16000),
    ".ra": ("rm", "real_144", 8000),
    ".adx": ("adx", "adpcm_adx", RATE),
    ".mp4": ("mp4", "aac", RATE),
    ".m4v": ("mp4", "aac", RATE),
    ".mov": ("mov", "pcm_s16le", RATE),
    ".qt": ("mov", "aac", RATE),
    ".webm": ("webm", "libopus", RATE),
    ".mkv": ("matroska", "aac", RATE),
    ".avi": ("avi", "pcm_s16le", RATE),
    ".wmv": ("asf", "wmav2", 44100),
    ".asf": ("asf", "wmav1", 44100),
    ".mpg": ("mpeg", "mp2", RATE),
    ".mpeg": ("mpeg", "mp2", RATE),
    ".vob": ("vob", "ac3", RATE),
    ".ts": ("mpegts", "aac", RATE),
    ".mts": ("mpegts", "ac3", RATE),
    ".m2ts": ("mpegts", "ac3", RATE),
    ".flv": ("flv", "aac", RATE),
    ".f4v": ("f4v", "aac", RATE),
    ".ogv": ("ogv", "flac", RATE),
    ".3gp": ("3gp", "aac", 44100),
    ".3g2": ("3g2", "aac", RATE),
    ".rm": ("rm", "ac3", RATE),
    ".wtv": ("wtv", "mp2", RATE),
}
# What has no encoder here: the formats that FFmpeg reads it from, and its decoders.
NO_ENCODER = {
    ".ape": ("ape", "ape"),
    ".tak": ("tak", "tak"),
    ".shn": ("shn", "shorten"),
    ".mlp": ("mlp", "mlp"),
    ".thd": ("truehd", "truehd"),
    ".dsf": ("dsf", "dsd_lsbf_planar"),
    ".dff": ("iff", "dsd_msbf"),
    ".mp1": ("mp3", "mp1float"),
    ".spx": ("ogg", "speex"),
    ".mpc": ("mpc8", "mpc8"),
    ".dts": ("dts", "dca"),
    ".dtshd": ("dtshd", "dca"),
    # of AMR not all builds of FFmpeg have the encoder
    ".amr": ("amr", "amrnb"),
    ".awb": ("amr", "amrwb"),
    ".gsm": ("gsm", "gsm"),
    ".oma": ("oma", "atrac3plus"),
    ".aa3": ("oma", "atrac3"),
    ".vqf": ("vqf", "twinvq"),
    ".qoa": ("qoa", "qoa"),
    ".rmvb": ("rm", "cook"),
    ".mxf": ("mxf", "pcm_s24le"),
}
# Codecs that know one channel.
MONO = {"real_144", "g722"}


def tone(rate: int) -> np.ndarray:
    """Half a second, ``[2, time]``."""
    wave = 0.3 * np.sin(2 * np.pi * 440 * np.arange(rate // 2) / rate)
    return np.stack([wave, wave]).astype(np.float32)


def write_by_ffmpeg(path, container: str, codec: str, rate: int) -> None:
    layout = "mono" if codec in MONO else "stereo"
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate, layout=layout, bit_rate=64000)
        stream.codec_context.options = {"strict": "experimental"}
        stream.codec_context.open()
        to = av.AudioResampler(stream.format.name, layout, rate)
        frame = av.AudioFrame.from_ndarray(tone(rate), "fltp", "stereo")
        frame.sample_rate = rate
        waiting, written = av.AudioFifo(), 0
        for part in [*to.resample(frame), *to.resample(None)]:
            part.pts = None
            waiting.write(part)
        size = stream.codec_context.frame_size or 1024
        while part := waiting.read(size) or waiting.read():
            part.pts, written = written, written + part.samples
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))


def test_the_tables_here_are_of_all_suffixes():
    known = {**SNDFILE, **FFMPEG, **NO_ENCODER}
    assert set(known) == set(SOUND_SUFFIXES)
    assert len(known) == len(SNDFILE) + len(FFMPEG) + len(NO_ENCODER)


@pytest.mark.parametrize("suffix", SNDFILE)
def test_what_libsndfile_writes_it_reads(suffix, tmp_path):
    path = tmp_path / f"x{suffix}"
    kind, subtype = SNDFILE[suffix]
    soundfile.write(path, tone(RATE)[0], RATE, format=kind, subtype=subtype)
    assert soundfile.info(path).frames > 0.4 * RATE
    assert list(scan([str(tmp_path)]).files) == [str(path)]


@pytest.mark.parametrize("suffix", FFMPEG)
def test_what_ffmpeg_writes_it_reads(suffix, tmp_path):
    path = tmp_path / f"x{suffix}"
    container, codec, rate = FFMPEG[suffix]
    write_by_ffmpeg(path, container, codec, rate)
    assert probe_to_end(path).duration > 0.4
    assert list(scan([str(tmp_path)]).files) == [str(path)]


@pytest.mark.parametrize("suffix", NO_ENCODER)
def test_of_what_it_does_not_write_ffmpeg_has_a_decoder(suffix):
    container, codec = NO_ENCODER[suffix]
    assert container in CONTAINERS
    assert av.ContainerFormat(container, "r").is_input
    assert av.Codec(codec, "r").type == "audio"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.raw", ".raw"), ("A.JPG", ".jpg"), ("x", "without a suffix"), ("x.", None)],
)
def test_kinds_of_other_files(name, kind):
    assert sound_order(name) is None
    assert kind_of(name) == (kind or "without a suffix")


def test_many_kinds_are_cut_short():
    kinds = {f".{letter}": 1 for letter in "abcdefghij"} | {".txt": 40}
    assert counted(kinds).startswith("40 .txt, 1 .a, ")
    assert counted(kinds).endswith(", 3 of 3 other kinds")
