"""Sound files in the formats that people have, made by FFmpeg (PyAV) and libsndfile."""

from __future__ import annotations

import io
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile

_LAYOUTS = {1: "mono", 2: "stereo", 4: "quad", 6: "5.1"}
_SAMPLE_FORMATS = {"flac": "s16", "tta": "s16", "alac": "s16p", "wavpack": "s16p"}
# LAME's quality 2 of variable bit rate, and how FFmpeg takes it.
VBR = {"global_quality": str(2 * 118), "flags": "+qscale"}


def recording(seconds: float, rate: int, channels: int = 2, seed: int = 0):
    """Tones, bursts of noise and silence, ``[time, channels]``, as recordings vary."""
    generator = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    noise = generator.standard_normal((len(time), channels))
    bursts = np.sin(2 * np.pi * time / 3.1) ** 8
    tones = [0.2 * np.sin(2 * np.pi * (300 + 40 * c) * time) for c in range(channels)]
    wav = np.stack(tones, 1) + (0.25 * bursts + 0.002)[:, None] * noise
    wav[time % 7 > 5] = 0
    return np.clip(wav, -0.98, 0.98).astype(np.float32)


class Pipe(io.RawIOBase):
    """A file that cannot seek, as the standard output of a program."""

    def __init__(self, path):
        super().__init__()
        self._file = open(path, "wb")  # noqa: SIM115

    def writable(self):
        return True

    def write(self, content):
        return self._file.write(content)

    def close(self):
        self._file.close()
        super().close()


def encode(
    path, wav, rate, codec, container, bit_rate=None, options=None, piped=False, **muxer
):
    """Writes a file as ``ffmpeg`` would; ``piped`` as ``ffmpeg ... - > path``."""
    out = Pipe(path) if piped else str(path)
    with av.open(out, "w", format=container, options=muxer) as target:
        stream = target.add_stream(codec, rate=rate)
        stream.layout = _LAYOUTS[wav.shape[1]]
        if codec in _SAMPLE_FORMATS:
            stream.format = _SAMPLE_FORMATS[codec]
        if bit_rate:
            stream.bit_rate = bit_rate
        if options:
            stream.options = options
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(wav.T), format="fltp", layout=stream.layout.name
        )
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        for part in (frame, None):  # the header is written before the end is known
            target.mux(stream.encode(part))
    if piped:
        out.close()
    return Path(path)


def write(path, wav, rate, **how):
    """Writes a file by libsndfile, piece by piece: long ones take all of its stack."""
    with soundfile.SoundFile(path, "w", rate, wav.shape[1], **how) as file:
        for begin in range(0, len(wav), 2**16):
            file.write(wav[begin : begin + 2**16])


def add_video(sound, path, seconds: float = 2.0):
    """Writes a video with the sound of a file, or with none."""
    with ExitStack() as stack:
        out = stack.enter_context(av.open(str(path), "w"))
        video = out.add_stream("mpeg4", rate=25)
        video.width = video.height = 64
        if sound is not None:
            source = stack.enter_context(av.open(str(sound)))
            heard = source.streams.audio[0]
            stream = out.add_stream_from_template(heard)
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
        for at in range(round(25 * seconds)):
            picture.pts = at
            out.mux(video.encode(picture))
        out.mux(video.encode(None))
        for packet in source.demux(heard) if sound is not None else ():
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    return Path(path)


# What a format is made with: codec, container and options of `encode`, or
# libsndfile's format and subtype.
BY_FFMPEG = {
    "vbr.mp3": ("libmp3lame", "mp3", {"options": VBR}),
    "cbr.mp3": ("libmp3lame", "mp3", {"bit_rate": 128_000}),
    "low.mp3": ("libmp3lame", "mp3", {"bit_rate": 32_000}),
    "bare_vbr.mp3": ("libmp3lame", "mp3", {"options": VBR, "piped": True}),
    "bare_cbr.mp3": ("libmp3lame", "mp3", {"bit_rate": 128_000, "piped": True}),
    "layer2.mp2": ("mp2", "mp2", {"bit_rate": 192_000}),
    "mp3_in.wav": ("libmp3lame", "wav", {"bit_rate": 128_000}),
    "streamed.flac": ("flac", "flac", {"piped": True}),
    "flac_in.oga": ("flac", "ogg", {}),
    "aac.m4a": ("aac", "ipod", {"bit_rate": 128_000}),
    "aac.mp4": ("aac", "mp4", {"bit_rate": 128_000}),
    "aac.mov": ("aac", "mov", {"bit_rate": 128_000}),
    "alac.m4a": ("alac", "ipod", {}),
    "alac_by_ffmpeg.caf": ("alac", "caf", {}),
    "aac.mka": ("aac", "matroska", {"bit_rate": 128_000}),
    "flac.mkv": ("flac", "matroska", {}),
    "bare.aac": ("aac", "adts", {"bit_rate": 128_000}),
    "wma.wma": ("wmav2", "asf", {"bit_rate": 128_000}),
    "ac3.ac3": ("ac3", "ac3", {}),
    "wavpack.wv": ("wavpack", "wv", {}),
    "tta.tta": ("tta", "tta", {}),
}
BY_LIBSNDFILE = {
    "pcm16.wav": ("WAV", "PCM_16"),
    "pcm24.wave": ("WAV", "PCM_24"),
    "float.wav": ("WAV", "FLOAT"),
    "adpcm.wav": ("WAV", "MS_ADPCM"),
    "extensible.wav": ("WAVEX", "PCM_24"),
    "pcm.aiff": ("AIFF", "PCM_16"),
    "pcm.au": ("AU", "PCM_16"),
    "pcm.caf": ("CAF", "PCM_16"),
    "alac.caf": ("CAF", "ALAC_16"),
    "pcm.w64": ("W64", "PCM_16"),
    "pcm.rf64": ("RF64", "PCM_16"),
    "pcm.nist": ("NIST", "PCM_16"),
    "flac.flac": ("FLAC", "PCM_16"),
    "vorbis.ogg": ("OGG", "VORBIS"),
    "header.mp3": ("MP3", "MPEG_LAYER_III"),
}
# Rates of their own, and one channel.
OTHERS = ("opus.opus", "opus.webm", "gsm.wav", "g721.wav", "nms.wav")
NAMES = (*BY_LIBSNDFILE, *BY_FFMPEG, *OTHERS)
_SPEECH_CODECS = {"gsm.wav": "GSM610", "g721.wav": "G721_32", "nms.wav": "NMS_ADPCM_24"}


def make(folder, name: str, seconds: float = 3.0, channels: int = 2, seed: int = 0):
    """Writes one of `NAMES`, and gives its path and what went into it."""
    path = Path(folder) / name
    if name in _SPEECH_CODECS:
        wav, rate = recording(seconds, 8000, 1, seed), 8000
        write(path, wav, rate, subtype=_SPEECH_CODECS[name])
    elif name == "opus.opus":
        wav, rate = recording(seconds, 48000, channels, seed), 48000
        write(path, wav, rate, format="OGG", subtype="OPUS")
    elif name == "opus.webm":
        wav, rate = recording(seconds, 48000, channels, seed), 48000
        encode(path, wav, rate, "libopus", "webm")
    else:
        wav, rate = recording(seconds, 44100, channels, seed), 44100
        if name in BY_FFMPEG:
            codec, container, how = BY_FFMPEG[name]
            encode(path, wav, rate, codec, container, **how)
        else:
            container, codec = BY_LIBSNDFILE[name]
            write(path, wav, rate, format=container, subtype=codec)
    return path, wav, rate
