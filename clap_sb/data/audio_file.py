"""An audio file, read in spans as mono at the rate that is wanted."""

from __future__ import annotations

import torch

from clap_sb.data.audio_source import AudioError, AudioSource, source_name
from clap_sb.data.channels import to_mono
from clap_sb.data.resample import Resampler
from clap_sb.data.sound import open_sound, read_frames

__all__ = ["AudioError", "AudioFile", "AudioSource"]


class AudioFile:
    """An open audio file, as a mono waveform at the rate that is wanted.

    For files too long to be read at once. Of PCM, FLAC, Opus and MP3, what is not asked
    for is not decoded, but for two thirds of a second on either side where the rate
    changes, and a second before a span of MP3. Other compressed sounds are read on from
    where the last span ended, or from the beginning where a span begins before the last
    one: read those in order.

    Several channels become one by :data:`~clap_sb.data.channels.CHANNEL_RULE`.

    Arguments
    ---------
    source : str, path-like or binary file
        A file in a format of docs/formats.md. One that is open already has to be able
        to seek, and stays open.
    sample_rate : int
        Rate of the waveform in Hz.

    Attributes
    ----------
    file_rate, num_channels : int
        The file's own rate in Hz, and its channels.
    remarks : tuple of str
        What is worth telling of it.

    Raises
    ------
    AudioError
        If the file is missing, empty, cut short, cannot be decoded, has no samples, or
        what no sound has (:mod:`~clap_sb.data.sound_limits`).

    Example
    -------
    >>> import soundfile
    >>> path = getfixture("tmp_path") / "tone.wav"
    >>> soundfile.write(path, torch.zeros(8000, 2).numpy(), 16000)
    >>> with AudioFile(path, 48000) as file:
    ...     file.num_samples, file.read(12000, 14000).shape
    (24000, torch.Size([2000]))
    """

    def __init__(self, source: AudioSource, sample_rate: int):
        self.name = source_name(source)
        self.sample_rate = sample_rate
        self._decoder, self._survey = open_sound(source)
        # of the file, whatever is read of it
        self.file_rate = self._decoder.sample_rate
        self.num_channels = self._decoder.num_channels
        # what is worth telling of the file, as that one channel alone is heard
        self.remarks = self._survey.remarks
        self._resampler = Resampler(self.file_rate, sample_rate)

    def __enter__(self) -> AudioFile:
        """Nothing more to open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the file."""
        self.close()

    def close(self) -> None:
        """Closes the file; one that was open before stays open."""
        self._decoder.close()

    @property
    def num_samples(self) -> int:
        """Length of the waveform."""
        return self._resampler.num_samples(self._survey.num_frames)

    def read(self, begin: int, end: int) -> torch.Tensor:
        """Decodes a span, which is what the whole waveform has there.

        Arguments
        ---------
        begin : int
            First sample.
        end : int
            The one after the last, at most ``num_samples``.

        Returns
        -------
        torch.Tensor
            ``[time]``, float32.

        Raises
        ------
        AudioError
            If the data is corrupt, cut short, not finite, or absurdly loud, or does
            not fit into memory.
        """
        try:
            return self._resampler.span(self._mono, self._survey.num_frames, begin, end)
        except MemoryError:
            raise AudioError(
                f"{self.name}: {(end - begin) / self.sample_rate:.0f} s of it do not "
                "fit into memory: cut it into parts"
            ) from None

    def _mono(self, begin: int, end: int) -> torch.Tensor:
        """The frames from `begin` to `end`, [time]."""
        frames = read_frames(self._decoder, self._survey, begin, end)
        return torch.from_numpy(to_mono(frames, self._survey.channel))
