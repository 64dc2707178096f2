"""What aac-datasets asks of torchaudio, which tells nothing of files any more."""

from __future__ import annotations

from typing import NamedTuple

from clap_sb.data.audio import AudioError, probe_to_end
from clap_sb.data.audio_file import AudioSource


class AudioMetaData(NamedTuple):
    """As torchaudio had it before 2.9.

    Arguments
    ---------
    sample_rate : int
        Samples a second, in Hz.
    num_frames : int
        Length in samples.
    num_channels : int
        Number of channels.
    bits_per_sample : int
        Not looked for: 0.
    encoding : str
        Not looked for: UNKNOWN.
    """

    sample_rate: int
    num_frames: int
    num_channels: int
    bits_per_sample: int = 0
    encoding: str = "UNKNOWN"


def lend_audio_info() -> None:
    """Gives torchaudio the names ``info`` and ``AudioMetaData`` where it lacks them.

    aac-datasets cannot be imported without the one, nor check a file without the other.
    A file counts as broken also if its end cannot be decoded.

    Example
    -------
    >>> lend_audio_info()
    >>> from torchaudio import AudioMetaData
    """
    import torchaudio

    if not hasattr(torchaudio, "info"):
        torchaudio.info = _info
        torchaudio.AudioMetaData = AudioMetaData


def _info(path: AudioSource) -> AudioMetaData:
    try:
        found = probe_to_end(path)
    except AudioError as error:
        raise RuntimeError(str(error)) from error  # as torchaudio did
    frames = round(found.duration * found.sample_rate)
    return AudioMetaData(found.sample_rate, frames, found.num_channels)
