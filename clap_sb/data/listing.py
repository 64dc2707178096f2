"""How many clips a data set's list has, and how many of them have no usable audio."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from clap_sb.data.entries import Entry
from clap_sb.data.manifest import read_note
from clap_sb.data.missing import MissingClip


@dataclass(frozen=True)
class Listing:
    """What preparation found of a list, for the cards of what is scored with it.

    Arguments
    ---------
    num_listed : int
        Clips of the list.
    num_missing : int
        Clips of these that were left out, for want of audio that can be read.
    folds : mapping of int to pair of int
        The same two numbers of each fold, where there are folds.

    Example
    -------
    >>> entries = [
    ...     Entry(name, (name,), fold=fold) for name, fold in zip("abc", (1, 1, 2))
    ... ]
    >>> listing = Listing.count(entries, [MissingClip("b", "b", "not there")])
    >>> listing.num_listed, listing.num_missing
    (3, 1)
    >>> listing.of_folds([1])
    Listing(num_listed=2, num_missing=1, folds={1: (2, 1)})
    """

    num_listed: int
    num_missing: int
    folds: Mapping[int, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def count(cls, entries: Sequence[Entry], missing: Sequence[MissingClip]) -> Listing:
        """Counts the entries of a list, and those of them that are missing.

        Arguments
        ---------
        entries : sequence of Entry
            The list.
        missing : sequence of MissingClip
            What is left out of it.

        Returns
        -------
        Listing
        """
        gone = {clip.id for clip in missing}
        folds: dict[int, tuple[int, int]] = {}
        for entry in entries:
            if entry.fold is not None:
                listed, left_out = folds.get(entry.fold, (0, 0))
                folds[entry.fold] = listed + 1, left_out + (entry.id in gone)
        return cls(len(entries), len(missing), folds)

    @classmethod
    def read(cls, manifest: str | os.PathLike) -> Listing | None:
        """Reads what the note of a manifest says.

        Arguments
        ---------
        manifest : str or path-like
            A manifest.

        Returns
        -------
        Listing or None
            None for a manifest that no list was prepared into.
        """
        note = read_note(manifest)
        if not {"listed", "missing", "folds"} <= note.keys():
            return None
        folds = {int(fold): tuple(pair) for fold, pair in note["folds"].items()}
        return cls(note["listed"], note["missing"], folds)

    @property
    def note(self) -> dict[str, object]:
        """What :meth:`read` reads, as JSON can hold it."""
        folds = {str(fold): list(pair) for fold, pair in sorted(self.folds.items())}
        return {"listed": self.num_listed, "missing": self.num_missing, "folds": folds}

    def of_folds(self, folds: Iterable[int]) -> Listing:
        """The numbers of some folds alone.

        Arguments
        ---------
        folds : iterable of int
            Folds of the list.

        Returns
        -------
        Listing
        """
        kept = {fold: self.folds[fold] for fold in folds}
        return Listing(
            sum(listed for listed, _ in kept.values()),
            sum(missing for _, missing in kept.values()),
            kept,
        )
