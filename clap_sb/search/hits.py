"""What a search finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Hit:
    """A window of a sound.

    Arguments
    ---------
    score : float
        Cosine with the query.
    path : str
        File that holds the sound; one that is there, if there is one.
    start : float
        Where the window begins, in seconds.
    end : float
        Where it ends, in seconds.
    duration : float
        Length of the file, in seconds.
    sound : int
        Id of the sound in the index; no other one will ever have it.
    window : int
        Which of the sound's windows it is, from 0.
    row : int
        Where its vector is, in the index as it was searched.
    copies : tuple of str
        Other files with the same bytes.
    similar : tuple of str
        Files whose windows were folded into this one.
    folded : tuple of Hit
        These windows, the best first.

    Example
    -------
    >>> Hit(0.5, "a.wav", 10.0, 20.0, 25.0, 7, 1, 2).end
    20.0
    """

    score: float
    path: str
    start: float
    end: float
    duration: float
    sound: int
    window: int
    row: int
    copies: tuple[str, ...] = ()
    similar: tuple[str, ...] = ()
    folded: tuple[Hit, ...] = ()
