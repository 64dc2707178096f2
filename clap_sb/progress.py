"""How far a long step is: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

SECONDS = 30.0
"""Between two lines of a log; what takes less says nothing there."""

_LINE = "{desc}: {n_fmt} of {total_fmt} {unit} in {elapsed}, {remaining} left"


class _Lines(tqdm):
    """Prints whole lines, where a bar would be drawn over itself."""

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        """Prints how far it is."""
        if msg is None:  # not the emptiness that a bar leaves behind
            print(self, file=self.fp, flush=True)
        return True

    def close(self) -> None:
        """Ends without a word: what follows will say what came of it."""
        if not self.disable:
            self.disable = True
            self._decr_instances(self)


def progress(
    steps: Iterable[Any] | None = None,
    *,
    about: str,
    unit: str,
    total: int | None = None,
    shown: bool = True,
) -> tqdm:
    """Tells how far a step is, on standard error.

    Arguments
    ---------
    steps : iterable, optional
        What is gone through; without it, ``update`` is to be called for each.
    about : str
        What is being done.
    unit : str
        What is counted, in the singular.
    total : int, optional
        How many there are, unless ``steps`` has a length.
    shown : bool
        False: nothing is told.

    Returns
    -------
    tqdm
        It gives ``steps``, and closes at the end of a ``with`` block.

    Example
    -------
    >>> [clip.upper() for clip in progress(["a", "b"], about="reading", unit="clip")]
    ['A', 'B']
    """
    if sys.stderr.isatty():
        return tqdm(
            steps,
            about,
            total,
            unit=unit,
            disable=not shown,
            dynamic_ncols=True,
        )
    return _Lines(
        steps,
        about,
        total,
        unit=f"{unit}es" if unit.endswith("ch") else f"{unit}s",
        disable=not shown,
        delay=SECONDS,
        mininterval=SECONDS,
        maxinterval=2 * SECONDS,
        miniters=1,
        bar_format=_LINE,
        file=sys.stderr,
    )
