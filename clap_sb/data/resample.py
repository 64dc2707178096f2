"""Changes the sample rate of a waveform, of all of it or of a span."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import soxr
import torch

# How far the filter reaches to either side, in samples of the lower rate. Where pieces
# of noise meet, they differ from one run over the whole by 2e-4 of the largest sample
# with 64 around them, by up to 1.6e-6 with 96, and with 104 or more by 5e-7, which is
# the rounding of float32 that soxr computes in (tests/test_resample.py).
_REACH = 128
# A piece is of about so many samples, of the higher rate: two thirds of a second.
_PIECE = 2**15


class Resampler:
    """Changes the sample rate, with soxr's filter of high quality.

    That is the one which librosa takes unless told otherwise. It has linear phase, so
    that nothing comes late.

    A waveform is resampled in pieces, each with what the filter hears around it. The
    pieces begin where samples of both rates fall together, at the same places whatever
    is asked for: a span has the bits of the whole. Without pieces it would differ by
    the rounding of float32, and from 44,100 to 47,999 Hz by more with every second (a
    sine of 10 kHz by 2e-4 after a minute), since soxr rounds the step from one sample
    to the next where the reduced rates are large.

    Arguments
    ---------
    sample_rate : int
        The rate as it is, Hz; see :func:`whole_rate`.
    new_sample_rate : int
        The rate wanted, Hz.

    Raises
    ------
    ValueError
        If a rate is no whole number of at least 1 Hz.

    Example
    -------
    >>> resampler = Resampler(44100, 48000)
    >>> wav = torch.rand(44100)
    >>> whole = resampler(wav)
    >>> span = resampler.span(lambda begin, end: wav[begin:end], len(wav), 200, 300)
    >>> len(whole), torch.equal(span, whole[200:300])
    (48000, True)
    """

    def __init__(self, sample_rate: int, new_sample_rate: int):
        sample_rate = whole_rate(sample_rate)
        new_sample_rate = whole_rate(new_sample_rate)
        divisor = math.gcd(sample_rate, new_sample_rate)
        self._old, self._new = sample_rate // divisor, new_sample_rate // divisor
        blocks = math.ceil(_PIECE / max(self._old, self._new))
        self._piece, self._new_piece = blocks * self._old, blocks * self._new
        # in whole blocks, so that what is heard begins where the rates meet, too
        self._around = math.ceil(_REACH / min(self._old, self._new)) * self._old

    def __call__(self, wav: torch.Tensor) -> torch.Tensor:
        """Resamples a whole waveform.

        Arguments
        ---------
        wav : torch.Tensor
            ``[time]``, float32, on the CPU.

        Returns
        -------
        torch.Tensor
            ``[num_samples(time)]``, float32.
        """
        length = self.num_samples(len(wav))
        return self.span(lambda begin, end: wav[begin:end], len(wav), 0, length)

    def num_samples(self, old_num_samples: int) -> int:
        """Length of a waveform, resampled.

        Arguments
        ---------
        old_num_samples : int
            Its length, samples.

        Returns
        -------
        int
            ``ceil(old_num_samples * new_sample_rate / sample_rate)``.

        Example
        -------
        >>> Resampler(44100, 48000).num_samples(44101)
        48002
        """
        return -(-old_num_samples * self._new // self._old)

    def span(
        self,
        read: Callable[[int, int], torch.Tensor],
        old_num_samples: int,
        begin: int,
        end: int,
    ) -> torch.Tensor:
        """Resamples what a span needs of a waveform.

        Arguments
        ---------
        read : callable
            Gives the samples from one to another of the waveform as it is, ``[time]``,
            float32, on the CPU; called once.
        old_num_samples : int
            Length of the waveform as it is, samples.
        begin : int
            First sample of the span, at the new rate.
        end : int
            The one after the last, at most ``num_samples(old_num_samples)``.

        Returns
        -------
        torch.Tensor
            ``[end - begin]``, float32.
        """
        if self._old == self._new:
            return read(begin, end)
        first = begin // self._new_piece
        last = max(begin, end - 1) // self._new_piece
        offset = max(0, first * self._piece - self._around)
        until = (last + 1) * self._piece + self._around
        wav = read(offset, min(until, old_num_samples)).numpy()
        places = [index * self._piece - offset for index in range(first, last + 1)]
        pieces = np.concatenate([self._resampled_piece(wav, place) for place in places])
        skipped = first * self._new_piece
        return torch.from_numpy(pieces[begin - skipped : end - skipped])

    def _resampled_piece(self, wav: np.ndarray, place: int) -> np.ndarray:
        """What becomes of the piece that begins at a sample of `wav`."""
        first = max(0, place - self._around)
        heard = wav[first : place + self._piece + self._around]
        # soxr rounds lengths, down too: with a sample more, there are always enough
        silence = np.zeros(math.ceil(self._old / self._new), wav.dtype)
        heard = np.concatenate([heard, silence])
        heard = soxr.resample(heard, self._old, self._new, quality="HQ")
        skipped = (place - first) // self._old * self._new
        length = self.num_samples(min(self._piece, len(wav) - place))
        return heard[skipped : skipped + length]


def resample(wav: torch.Tensor, sample_rate: int, new_sample_rate: int) -> torch.Tensor:
    """Changes the sample rate of a waveform, as :class:`Resampler` does.

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
    return Resampler(sample_rate, new_sample_rate)(wav)


def whole_rate(sample_rate: float) -> int:
    """Takes a sample rate as the whole number that it is, whatever holds it.

    Arguments
    ---------
    sample_rate : int or float
        Hz; NumPy's numbers and tensors of one number too.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If it is no number, not whole, or less than 1.

    Example
    -------
    >>> whole_rate(44100.0), whole_rate(np.int64(48000))
    (44100, 48000)
    """
    number = sample_rate
    if isinstance(sample_rate, (np.ndarray, np.generic, torch.Tensor)):
        number = sample_rate.item() if np.prod(sample_rate.shape) == 1 else None
    is_number = isinstance(number, (int, float)) and not isinstance(number, bool)
    if not is_number or not number >= 1 or number != number // 1:
        raise ValueError(
            f"a sample rate is a whole number of Hz, at least 1, got {sample_rate!r}"
        )
    return int(number)
