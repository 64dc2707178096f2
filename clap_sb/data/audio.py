"""Reading audio files: what a header tells, and samples as a mono waveform."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import soundfile
import torch

# torchaudio resamples with one filter for each phase, whose size is the product of
# the two rates once reduced: 160 * 147 for 44.1 to 48 kHz, gigabytes for 11,127 Hz.
_LARGEST_FILTER_BANK = 2**20

# Upper bound, in samples of the lower rate, of how far either resampler looks.
_RESAMPLER_REACH = 12


class AudioError(ValueError):
    """An audio file that cannot be used; the message names the file and the reason.

    Example
    -------
    >>> raise AudioError("broken.wav: the file is empty")
    Traceback (most recent call last):
    ...
    clap_sb.data.audio.AudioError: broken.wav: the file is empty
    """


@dataclass(frozen=True)
class AudioInfo:
    """What the header of an audio file tells.

    Arguments
    ---------
    duration : float
        Length in seconds.
    sample_rate : int
        Samples a second, in Hz.
    num_channels : int
        Number of channels.

    Example
    -------
    >>> AudioInfo(duration=10.0, sample_rate=44100, num_channels=2).duration
    10.0
    """

    duration: float
    sample_rate: int
    num_channels: int


def probe(path: str | os.PathLike) -> AudioInfo:
    """Reads the header of an audio file, and no samples.

    Arguments
    ---------
    path : str or path-like
        A file in a format that libsndfile decodes: WAV, FLAC, Ogg, MP3 and others.

    Returns
    -------
    AudioInfo
        Duration, sample rate and number of channels.

    Raises
    ------
    AudioError
        If the file is missing, empty, cannot be decoded, or has no samples.

    Example
    -------
    >>> path = getfixture("tmp_path") / "tone.wav"
    >>> soundfile.write(path, torch.zeros(8000, 2).numpy(), 16000)
    >>> probe(path)
    AudioInfo(duration=0.5, sample_rate=16000, num_channels=2)
    """
    with _open(path) as file:
        return AudioInfo(file.frames / file.samplerate, file.samplerate, file.channels)


def read_wav(
    path: str | os.PathLike,
    sample_rate: int,
    start: float = 0.0,
    duration: float | None = None,
) -> torch.Tensor:
    """Reads a waveform, or a span of it, as mono at the rate that is wanted.

    Channels are averaged. Only the span is decoded, with a margin for the resampler,
    so that it equals the same slice of the whole file.

    Arguments
    ---------
    path : str or path-like
        A file in a format that libsndfile decodes.
    sample_rate : int
        Rate of the result in Hz.
    start : float
        Where the span begins, in seconds.
    duration : float or None
        Length of the span in seconds; to the end of the file if None. A span that
        reaches beyond the end stops there.

    Returns
    -------
    torch.Tensor
        The waveform [time], float32; in [-1, 1] unless the file itself goes beyond.

    Raises
    ------
    AudioError
        If the file cannot be decoded, ends before its header says, holds samples that
        are not finite, or ends before the span begins.

    Example
    -------
    >>> path = getfixture("tmp_path") / "tone.wav"
    >>> soundfile.write(path, torch.zeros(8000, 2).numpy(), 16000)
    >>> read_wav(path, 48000).shape
    torch.Size([24000])
    >>> read_wav(path, 48000, start=0.1, duration=0.2).shape
    torch.Size([9600])
    """
    if start < 0 or (duration is not None and round(duration * sample_rate) < 1):
        raise ValueError(
            f"A span cannot start at {start} s and last {duration} s: the start has to "
            "be 0 or more, the duration a sample or more."
        )
    with _open(path) as file:
        # Both rates meet once in `down` samples of the file, `up` of the result:
        # a block that starts there is resampled as within the whole file.
        divisor = math.gcd(sample_rate, file.samplerate)
        up, down = sample_rate // divisor, file.samplerate // divisor
        total = math.ceil(file.frames * up / down)
        begin = round(start * sample_rate)
        if begin >= total:
            raise AudioError(
                f"{path}: a span from {start} s was asked for, but the file ends at "
                f"{file.frames / file.samplerate:.3f} s"
            )
        length = total if duration is None else round(duration * sample_rate)
        end = min(begin + length, total)
        margin = _margin(up, down)
        first_block = max(0, begin // up - margin)
        last_block = math.ceil(end / up) + margin
        wav = _decode(file, first_block * down, last_block * down, path)
    wav = resample(wav, down, up)
    return wav[begin - first_block * up : end - first_block * up]


def resample(wav: torch.Tensor, sample_rate: int, new_sample_rate: int) -> torch.Tensor:
    """Changes the sample rate of a waveform.

    Arguments
    ---------
    wav : torch.Tensor
        Waveform [time], float32, on the CPU.
    sample_rate : int
        Its rate in Hz.
    new_sample_rate : int
        The rate wanted in Hz.

    Returns
    -------
    torch.Tensor
        Waveform of ceil(time * new_sample_rate / sample_rate) samples, float32.

    Example
    -------
    >>> resample(torch.zeros(44100), 44100, 48000).shape
    torch.Size([48000])
    """
    if sample_rate == new_sample_rate:
        return wav
    divisor = math.gcd(sample_rate, new_sample_rate)
    up, down = new_sample_rate // divisor, sample_rate // divisor
    if up * down > _LARGEST_FILTER_BANK:
        from scipy.signal import resample_poly

        return torch.from_numpy(resample_poly(wav.numpy(), up, down))
    return _resampler(down, up)(wav)


@functools.lru_cache(maxsize=16)
def _resampler(down: int, up: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Computing the filters takes longer than using them, so they are kept."""
    import torchaudio

    return torchaudio.transforms.Resample(down, up)


def _margin(up: int, down: int) -> int:
    """How many blocks of `down` samples the resampler sees to either side."""
    reach = 0 if up == down else _RESAMPLER_REACH * max(1.0, down / up)
    return math.ceil(reach / down)


def _open(path: str | os.PathLike) -> soundfile.SoundFile:
    """Opens a file that has samples, or says what is wrong with it."""
    path = Path(path)
    if not path.is_file():
        raise AudioError(f"{path}: there is no such file")
    if path.stat().st_size == 0:
        raise AudioError(f"{path}: the file is empty (0 bytes)")
    try:
        file = soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"{path}: cannot be decoded ({error.error_string.rstrip('.')}); if other "
            "programs play it, convert it, as with "
            f"`ffmpeg -i {path.name} {path.stem}.wav`"
        ) from None
    if file.frames < 1:
        file.close()
        raise AudioError(f"{path}: the file has a header but no samples")
    return file


def _decode(
    file: soundfile.SoundFile, begin: int, end: int, path: str | os.PathLike
) -> torch.Tensor:
    """The mean of the channels over the frames from `begin` to `end`, [time]."""
    end = min(end, file.frames)
    try:
        file.seek(begin)
        frames = file.read(end - begin, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"{path}: the audio data is corrupt ({error.error_string.rstrip('.')})"
        ) from None
    if len(frames) < end - begin:
        raise AudioError(
            f"{path}: the audio data is corrupt or cut short (the header promises "
            f"{file.frames} frames; of {end - begin} from frame {begin}, only "
            f"{len(frames)} could be decoded)"
        )
    wav = torch.from_numpy(frames).mean(dim=1)
    if not torch.isfinite(wav).all():
        raise AudioError(f"{path}: some samples are not finite numbers (NaN or inf)")
    return wav
