"""Clips of a data set that cannot be used, and the words for it."""

from __future__ import annotations

from dataclasses import dataclass

NOT_FOUND = "no such file, under any of its names"


@dataclass(frozen=True)
class MissingClip:
    """A row of the list of clips that are left out.

    Arguments
    ---------
    id : str
        Name of the clip.
    path_or_name : str
        The file that cannot be read, or the name of one that is not there.
    reason : str
        What is the matter with it.

    Example
    -------
    >>> MissingClip("abc_30", "abc_30", NOT_FOUND).reason
    'no such file, under any of its names'
    """

    id: str
    path_or_name: str
    reason: str
