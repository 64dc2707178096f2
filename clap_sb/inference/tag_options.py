"""How tagging over time listens, and what makes a segment."""

from __future__ import annotations

from dataclasses import dataclass

# What decides which pieces are heard, and so what cosines they have.
_OF_FRAMES = ("frames", "frames_hop")
_OF_WINDOWS = ("window", "hop", *_OF_FRAMES)


@dataclass(frozen=True)
class TagOptions:
    """How a sound is listened to, and what makes a segment.

    Arguments
    ---------
    window : float or None
        Length of a window, seconds; the tower's own if None.
    hop : float
        From one window to the next, and the width of a curve's bins, seconds.
    frames : bool
        Take HTSAT's frame-level embeddings within windows of the tower's own length,
        instead of one embedding a window.
    frames_hop : float or None
        With ``frames``, from one of these windows to the next, seconds; half of one if
        None.
    silence_db : float
        Bins that are quieter are none of the labels: root mean square, dB of full
        scale; minus infinity for no such bins.
    threshold : float
        Probability above which a label sounds.
    min_duration : float
        Shorter segments are dropped, seconds.
    max_gap : float
        Shorter gaps within a segment are closed, seconds.
    """

    window: float | None = 1.0
    hop: float = 0.1
    frames: bool = False
    frames_hop: float | None = None
    silence_db: float = -70.0
    threshold: float = 0.5
    min_duration: float = 0.2
    max_gap: float = 0.5

    @property
    def listening(self) -> dict[str, object]:
        """What decides the cosines: thresholds hold for these values alone.

        Returns
        -------
        dict

        Example
        -------
        >>> TagOptions(threshold=0.9).listening == TagOptions().listening
        True
        """
        names = _OF_FRAMES if self.frames else _OF_WINDOWS
        return {name: getattr(self, name) for name in names}
