"""Tells once which clips of validation and test could not be read."""

from __future__ import annotations

from collections.abc import Mapping

from speechbrain.utils.logger import get_logger

from clap_sb.data.printable import printable

logger = get_logger(__name__)


def tell_unreadable(unreadable: Mapping[str, str], told: set[str]) -> None:
    """Warns of clips that scores go without, once in a run.

    Arguments
    ---------
    unreadable : mapping of str to str
        Id of each clip that could not be read, and why.
    told : set of str
        The ids that were told before; the others are added.

    Example
    -------
    >>> told = {"a"}
    >>> tell_unreadable({"a": "a.wav: is empty"}, told)
    >>> told
    {'a'}
    """
    new = [name for name in unreadable if name not in told]
    if not new:
        return
    logger.warning(
        "%d clips could not be read, and the scores go without them, such as %s",
        *(len(new), printable(unreadable[new[0]])),
    )
    told.update(new)
