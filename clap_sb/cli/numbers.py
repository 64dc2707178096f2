"""Numbers on a command line, which are refused before anything is loaded."""

from __future__ import annotations

import argparse


def count(word: str) -> int:
    """Reads a number of things.

    Arguments
    ---------
    word : str
        What was given.

    Returns
    -------
    int

    Raises
    ------
    argparse.ArgumentTypeError
        If it is no whole number from 1 up.

    Example
    -------
    >>> count("12")
    12
    """
    try:
        number = int(word)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{word} is no whole number of at least 1")
    return number


def cosine(word: str) -> float:
    """Reads a cosine.

    Arguments
    ---------
    word : str
        What was given.

    Returns
    -------
    float

    Raises
    ------
    argparse.ArgumentTypeError
        If it is no number from -1 to 1.

    Example
    -------
    >>> cosine("0.95")
    0.95
    """
    try:
        number = float(word)
    except ValueError:
        number = float("nan")
    if not -1 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{word} is no cosine, which is from -1 to 1")
    return number
