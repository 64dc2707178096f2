"""Tells of captions that are longer than a text tower takes, and were cut."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

logger = logging.getLogger(__name__)


@dataclass
class CutCaptions:
    """How many captions were cut.

    Arguments
    ---------
    num : int
        Captions that were cut.
    of : int
        Captions in all.
    max_tokens : int
        What was left of them.

    Example
    -------
    >>> CutCaptions(1, 20, 77).sentence()
    '1 of 20 captions has more than the 77 tokens that the text tower takes: it was cut'
    """

    num: int = 0
    of: int = 0
    max_tokens: int = 0

    def add(self, other: CutCaptions) -> None:
        """Adds those of another call.

        Arguments
        ---------
        other : CutCaptions
            Of the same tower.
        """
        self.num += other.num
        self.of += other.of
        self.max_tokens = other.max_tokens

    def sentence(self) -> str:
        """The same in words.

        Returns
        -------
        str
        """
        have, they = ("has", "it was") if self.num == 1 else ("have", "they were")
        return (
            f"{self.num} of {self.of} captions {have} more than the {self.max_tokens} "
            f"tokens that the text tower takes: {they} cut"
        )

    def tell(self) -> None:
        """Logs a warning, if any were cut."""
        if self.num:
            logger.warning("%s", self.sentence())


_counted: ContextVar[CutCaptions | None] = ContextVar("counted", default=None)


@contextmanager
def counting() -> Iterator[CutCaptions]:
    """Counts what is cut within, by this thread, instead of telling each time.

    Yields
    ------
    CutCaptions
        Tell it afterwards.

    Example
    -------
    >>> with counting() as cut:
    ...     report(CutCaptions(1, 2, 77))
    ...     report(CutCaptions(0, 2, 77))
    >>> cut
    CutCaptions(num=1, of=4, max_tokens=77)
    """
    counted = CutCaptions()
    before = _counted.set(counted)
    try:
        yield counted
    finally:
        _counted.reset(before)


def report(cut: CutCaptions) -> None:
    """What a tokenizer has to say after each call.

    Arguments
    ---------
    cut : CutCaptions
        Of the call.
    """
    counted = _counted.get()
    if counted is None:
        cut.tell()
    else:
        counted.add(cut)
