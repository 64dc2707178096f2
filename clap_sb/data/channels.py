"""From several channels to one: their mean, or the loudest where they cancel."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

# Of the energy that as many unrelated channels have in sum.
_CANCELS = 0.1
# Of equally loud channels the first is taken, whatever rounding makes of them.
_AS_LOUD = 0.9
_SILENCE = 1e-8  # mean square
_SECONDS = 60
_FAR_OUTSIDE = 10.0

CHANNEL_RULE = (
    "mean of the channels; the loudest alone where they cancel (their sum has under "
    f"{_CANCELS:.0%} of their energies' sum over the first {_SECONDS} s of sound)"
)


@dataclass
class ChannelEnergies:
    """What the channels of a sound have in common, added up second by second.

    The microphones, cables or programs that turn one of two channels over leave a
    stereo file whose mean is silence; so does first-order ambisonic sound from behind.

    Arguments
    ---------
    sample_rate : int
        Hz.

    Example
    -------
    >>> energies = ChannelEnergies(100)
    >>> wav = np.sin(np.arange(100))
    >>> energies.add(np.stack([0.9 * wav, -wav], axis=1))
    >>> energies.channel, energies.is_settled
    (1, False)
    """

    sample_rate: int
    peak: float = 0.0
    _seconds: int = 0
    _of_sum: float = 0.0
    _of_each: np.ndarray = field(default_factory=lambda: np.zeros(1))

    def add(self, frames: np.ndarray) -> None:
        """Takes more of the sound, in order.

        Arguments
        ---------
        frames : np.ndarray
            ``[frames, channels]``, whole seconds but for the last.
        """
        if not len(frames):
            return
        self.peak = max(self.peak, float(frames.max()), -float(frames.min()))
        for begin in range(0, len(frames), self.sample_rate):
            if self.is_settled:
                break
            second = frames[begin : begin + self.sample_rate].astype(np.float64)
            products = second.T @ second
            of_each = products.diagonal()
            if of_each.mean() <= _SILENCE * len(second):
                continue
            self._seconds += 1
            self._of_sum += float(products.sum())
            self._of_each = self._of_each + of_each

    @property
    def is_settled(self) -> bool:
        """Whether more of the sound changes nothing."""
        return self._seconds >= _SECONDS

    @property
    def channel(self) -> int | None:
        """The one channel that is heard; None for the mean of all."""
        if self._of_sum < _CANCELS * self._of_each.sum():
            return int(np.argmax(self._of_each >= _AS_LOUD * self._of_each.max()))
        return None

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is worth telling, in whole sentences."""
        found = []
        if self.channel is not None:
            share = self._of_sum / self._of_each.sum()
            found.append(
                "its channels cancel (their sum has "
                f"{share:.2%} of their energy): channel {self.channel + 1} alone is "
                "heard"
            )
        if self.peak > _FAR_OUTSIDE:
            found.append(
                f"its samples reach {self.peak:.0f}, far outside [-1, 1]: if whole "
                "numbers were saved as floats, divide them by 32768"
            )
        return tuple(found)


def to_mono(frames: np.ndarray, channel: int | None) -> np.ndarray:
    """Makes one channel of several.

    Arguments
    ---------
    frames : np.ndarray
        ``[frames, channels]``, float32.
    channel : int or None
        The one that is heard; None for the mean of all.

    Returns
    -------
    np.ndarray
        ``[frames]``, float32.
    """
    if channel is not None:
        return np.ascontiguousarray(frames[:, channel])
    if frames.shape[1] == 1:
        return np.ascontiguousarray(frames[:, 0])
    # column by column: NumPy's mean over so short an axis takes ten times as long
    mono = frames[:, 0].copy()
    for column in range(1, frames.shape[1]):
        mono += frames[:, column]
    return mono / np.float32(frames.shape[1])
