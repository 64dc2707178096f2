"""Reading audio files: what a header tells, and samples as a mono waveform."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from clap_sb.data.audio_file import AudioFile
from clap_sb.data.audio_source import AudioError, AudioSource
from clap_sb.data.decode_limit import limited
from clap_sb.data.decoders import Decoder
from clap_sb.data.resample import resample
from clap_sb.data.sound import Survey, check_samples, open_sound

__all__ = [
    "AudioError",
    "AudioFile",
    "AudioInfo",
    "probe",
    "probe_to_end",
    "read_wav",
    "resample",
]


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
    remarks : tuple of str
        What is worth telling about the file, in sentences.

    Example
    -------
    >>> AudioInfo(duration=10.0, sample_rate=44100, num_channels=2).duration
    10.0
    """

    duration: float
    sample_rate: int
    num_channels: int
    remarks: tuple[str, ...] = ()


def probe(path: AudioSource) -> AudioInfo:
    """Tells how long an audio file is, and what else its header has.

    Samples are decoded only where the header leaves something open: the length, or
    whether channels cancel.

    Arguments
    ---------
    path : str, path-like or binary file
        A file in a format of docs/formats.md.

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
    >>> import soundfile
    >>> path = getfixture("tmp_path") / "tone.wav"
    >>> soundfile.write(path, torch.zeros(8000, 2).numpy(), 16000)
    >>> probe(path)
    AudioInfo(duration=0.5, sample_rate=16000, num_channels=2, remarks=())
    """
    decoder, survey = open_sound(path)
    decoder.close()
    return _info(decoder, survey)


def probe_to_end(path: AudioSource) -> AudioInfo:
    """Does what `probe` does, and decodes the end, or all of it.

    The end tells files that are cut short, as broken-off downloads leave them. All is
    decoded where samples were saved as floats, among which there may be no numbers.

    Arguments
    ---------
    path : str, path-like or binary file
        A file in a format of docs/formats.md.

    Returns
    -------
    AudioInfo
        As of `probe`.

    Raises
    ------
    AudioError
        If the file is missing or empty, its end cannot be decoded, or samples are not
        finite.

    Example
    -------
    >>> import soundfile
    >>> path = getfixture("tmp_path") / "cut.flac"
    >>> soundfile.write(path, torch.rand(8000).numpy(), 16000)
    >>> _ = path.write_bytes(path.read_bytes()[:4000])
    >>> probe(path).duration
    0.5
    >>> try:
    ...     probe_to_end(path)
    ... except AudioError:
    ...     print("cut short")
    cut short
    """
    decoder, survey = open_sound(path)
    try:
        check_samples(decoder, survey)
    finally:
        decoder.close()
    return _info(decoder, survey)


def _info(decoder: Decoder, survey: Survey) -> AudioInfo:
    rate = decoder.sample_rate
    return AudioInfo(
        survey.num_frames / rate, rate, decoder.num_channels, survey.remarks
    )


@limited
def read_wav(
    path: AudioSource,
    sample_rate: int,
    start: float = 0.0,
    duration: float | None = None,
) -> torch.Tensor:
    """Reads a waveform, or a span of it, as mono at the rate that is wanted.

    It equals the same slice of the whole file. Several channels become one by
    :data:`~clap_sb.data.channels.CHANNEL_RULE`.

    Arguments
    ---------
    path : str, path-like or binary file
        A file in a format of docs/formats.md.
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
    >>> import soundfile
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
    with AudioFile(path, sample_rate) as file:
        begin = round(start * sample_rate)
        if begin >= file.num_samples:
            raise AudioError(
                f"{file.name}: a span from {start} s was asked for, but the file ends "
                f"at {file.num_samples / sample_rate:.3f} s"
            )
        end = file.num_samples
        if duration is not None:
            end = min(begin + round(duration * sample_rate), end)
        return file.read(begin, end)
