"""Sentences that are given on the command line, or by the standard input."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from clap_sb.cli.audio_files import STDIN


def sentences_of(words: Sequence[str]) -> list[str]:
    """What the sentences' arguments stand for.

    Arguments
    ---------
    words : sequence of str
        Sentences, and ``-`` for those in the standard input, one a line.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If the standard input holds none, or is in another encoding than UTF-8.

    Example
    -------
    >>> sentences_of(["a dog", "rain"])
    ['a dog', 'rain']
    """
    found: list[str] = []
    for word in words:
        found += _from_stdin() if word == STDIN else [word]
    return found


def _from_stdin() -> list[str]:
    from clap_sb.data.text_file import lines_of

    lines = list(lines_of(sys.stdin.buffer, "the standard input"))
    if not lines:
        raise ValueError("the standard input is empty: there is no sentence to read")
    return lines
