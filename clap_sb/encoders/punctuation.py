"""WavCaps' rule for captions, before they are tokenised."""

from __future__ import annotations

import re

_PUNCTUATION = re.compile(r'[(),.!?;:|*"]')


def without_punctuation(caption: str) -> str:
    """Takes the punctuation out: lower case, a space a sign, doubled spaces once.

    Arguments
    ---------
    caption : str
        A caption.

    Returns
    -------
    str

    Example
    -------
    >>> without_punctuation("A dog barks; rain.")
    'a dog barks rain '
    """
    return _PUNCTUATION.sub(" ", caption.lower()).replace("  ", " ")
