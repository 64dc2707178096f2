"""Rows of numbers that were computed once, in a file that is whole or absent."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from clap_sb.data.printable import printable
from clap_sb.progress import progress
from clap_sb.whole_file import write_whole

logger = logging.getLogger(__name__)

_SECONDS = 600  # between two savings of what is computed for long

Items = Sequence[tuple[int, Any]]
"""What rows are computed of, each with its key."""


def file_stamp(path: str | os.PathLike) -> tuple[int, int] | None:
    """What changes when a file does: its size in bytes, and when it was written.

    Arguments
    ---------
    path : str or path-like
        A file.

    Returns
    -------
    tuple of int, or None
        Size and nanoseconds; None where there is no file.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> file_stamp(path) is None
    True
    >>> _ = path.write_bytes(b"abc")
    >>> file_stamp(path)[0]
    3
    """
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


class KeptRows:
    """Some rows for each key, and marks, in memory and in a file.

    Several runs may share the file: each adds what it has. One that is damaged is told
    of, and taken for absent.

    Arguments
    ---------
    path : Path
        The file; its folder need not be there.

    Example
    -------
    >>> path = getfixture("tmp_path") / "kept" / "rows.safetensors"
    >>> rows = KeptRows(path)
    >>> rows.keep(7, torch.ones(2, 3))
    >>> rows.mark(8)
    >>> rows.save()
    >>> again = KeptRows(path)
    >>> again[7].shape, 8 in again, again.is_marked(8)
    (torch.Size([2, 3]), False, True)
    """

    def __init__(self, path: Path):
        self.path = path
        self._is_saved, self._is_anew = True, False
        self._rows, self._marks = self._read()

    def __contains__(self, key: int) -> bool:
        """Whether there are rows for a key."""
        return key in self._rows

    def __getitem__(self, key: int) -> torch.Tensor:
        """The rows for a key, ``[rows, width]``."""
        return self._rows[key]

    def is_marked(self, key: int) -> bool:
        """Whether a key is marked.

        Arguments
        ---------
        key : int
            A key, which need have no rows.

        Returns
        -------
        bool
        """
        return key in self._marks

    def keep(self, key: int, rows: torch.Tensor) -> None:
        """Keeps rows; those that are there already stay.

        Arguments
        ---------
        key : int
            A key of 63 bits, see :func:`clap_sb.data.keys.key_of`.
        rows : torch.Tensor
            ``[rows, width]``, on the CPU, of one width and type for all keys.
        """
        if key not in self._rows:
            self._rows[key] = rows
            self._is_saved = False

    def forget(self) -> None:
        """Begins anew; what is in the file is not there when it is written again."""
        self._rows, self._marks = {}, set()
        self._is_anew = True

    def mark(self, key: int) -> None:
        """Marks a key.

        Arguments
        ---------
        key : int
            A key.
        """
        if key not in self._marks:
            self._marks.add(key)
            self._is_saved = False

    def complete(
        self,
        items: Items,
        compute: Callable[[Items], Iterator[tuple[int, torch.Tensor]]],
        at_once: int,
        told: str | None = None,
    ) -> None:
        """Computes what is missing: each rank a share, of which all ranks get all.

        Arguments
        ---------
        items : sequence of tuple
            A key and what is computed with, each; the same on all ranks.
        compute : callable
            Gives a key and its row, ``[1, width]``, for each of the items it is given,
            but for those of which there is none.
        at_once : int
            Items of a rank after which it gets those of the others.
        told : str, optional
            Says what it is at a progress bar; there is none without.
        """
        rank, ranks = 0, 1
        if dist.is_available() and dist.is_initialized():
            rank, ranks = dist.get_rank(), dist.get_world_size()
        missing = sum(key not in self for key, _ in items[rank::ranks])
        hidden = told is None or not missing or rank > 0
        saved = time.monotonic()
        with progress(
            about=told or "", unit="row", total=missing, shown=not hidden
        ) as bar:
            for start in range(0, len(items), at_once * ranks):
                share = items[start : start + at_once * ranks][rank::ranks]
                found = {key: self[key] for key, _ in share if key in self}
                for key, row in compute([i for i in share if i[0] not in found]):
                    found[key] = row
                    bar.update()
                for key, row in _of_all_ranks(found):
                    self.keep(key, row)
                if rank == 0 and time.monotonic() - saved > _SECONDS:
                    self.save()
                    saved = time.monotonic()
        if rank == 0:
            self.save()

    def save(self) -> None:
        """Writes what is new, with what others have written since."""
        if self._is_saved:
            return
        from safetensors.torch import save

        rows, marks = ({}, set()) if self._is_anew else self._read()
        rows, marks = rows | self._rows, marks | self._marks
        parts = {
            "keys": torch.tensor(list(rows), dtype=torch.int64),
            "counts": torch.tensor([len(part) for part in rows.values()]),
            "rows": torch.cat(list(rows.values())) if rows else torch.zeros(0, 0),
            "marks": torch.tensor(sorted(marks), dtype=torch.int64),
        }
        write_whole(self.path, save({**parts, "digest": _digest(parts.values())}))
        self._is_saved, self._is_anew = True, False

    def _read(self) -> tuple[dict[int, torch.Tensor], set[int]]:
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            # not mapped: what others write there later changes nothing here
            parts = load(self.path.read_bytes())
            names = ("keys", "counts", "rows", "marks")
            if not torch.equal(_digest(parts[n] for n in names), parts["digest"]):
                raise ValueError("its content is not what was written")
        except FileNotFoundError:
            return {}, set()
        except (SafetensorError, KeyError, ValueError) as error:
            reason = printable(str(error))
            logger.warning("%s is damaged, and made again: %s", self.path, reason)
            self._is_anew = True
            return {}, set()
        each = parts["rows"].split(parts["counts"].tolist())
        keys = parts["keys"].tolist()
        return dict(zip(keys, each, strict=True)), set(parts["marks"].tolist())


def _of_all_ranks(
    found: dict[int, torch.Tensor],
) -> Iterator[tuple[int, torch.Tensor]]:
    if not (dist.is_available() and dist.is_initialized()):
        yield from found.items()
        return
    part = list(found), torch.cat(list(found.values())) if found else None
    parts: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(parts, part)
    for keys, rows in parts:
        yield from zip(keys, rows.split(1) if keys else (), strict=True)


def _digest(parts: Iterable[torch.Tensor]) -> torch.Tensor:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(f"{part.dtype} {list(part.shape)}".encode())
        digest.update(part.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return torch.tensor(list(digest.digest()), dtype=torch.uint8)
