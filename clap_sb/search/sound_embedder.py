"""New sounds into an index: read in threads, embedded in batches, stored at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from clap_sb.inference.ahead import ahead, side_by_side, threads
from clap_sb.search.reading import Decoded, Hashed, hashed, read_sound
from clap_sb.search.records import FileRecord, Header, NewSound
from clap_sb.search.scan import Stamp
from clap_sb.search.store import Store

if TYPE_CHECKING:
    import torch

    from clap_sb.inference import CLAP

_NOT_FINITE = (
    "the model's embedding of it is not finite; where that is so of most files, the "
    "model is damaged"
)


@dataclass
class Counts:
    """What became of the files that were read.

    Arguments
    ---------
    embedded : int
        Files with a sound that was new.
    recognised : int
        Files with a sound that the index has already.
    failed : int
        Files that cannot be used.
    """

    embedded: int = 0
    recognised: int = 0
    failed: int = 0


@dataclass
class _Growing:
    """A sound of which some windows are embedded."""

    paths: list[str]
    samples: int = 0
    missing: int | None = None  # windows; told with the first of them
    parts: list[np.ndarray] = field(default_factory=list)
    remarks: tuple[str, ...] = ()
    header: Header | None = None


class SoundEmbedder:
    """Brings files into an index.

    A file counts once all of its windows are on disk; a process that is killed loses
    those of the batches in hand, and of a long file that is not finished.

    Arguments
    ---------
    store : Store
        Where they go.
    clap : CLAP
        The model.
    batch_size : int
        Windows that are embedded at once.
    workers : int
        Threads that read and decode.
    report : callable
        Called with the number of files that were finished just now.
    """

    def __init__(
        self,
        store: Store,
        clap: CLAP,
        batch_size: int = 16,
        workers: int = 2,
        report: Callable[[int], object] = lambda files: None,
    ):
        self.store = store
        self.clap = clap
        self.batch_size = batch_size
        self.workers = workers
        self.report = report
        self.counts = Counts()
        self._model = store.model
        self._stamps: Mapping[str, Stamp] = {}
        self._known = store.known_sounds()
        self._again: list[str] = []
        self._growing: dict[str, _Growing] = {}
        self._batch: list[tuple[str, torch.Tensor]] = []
        self._under_way: deque[list[str | None]] = deque()
        self._records: dict[str, FileRecord] = {}

    def run(self, files: Mapping[str, Stamp]) -> Counts:
        """Reads and embeds files.

        Arguments
        ---------
        files : mapping
            Full name to stamp.

        Returns
        -------
        Counts
        """
        from clap_sb.inference.encoded_ahead import encoded_ahead

        self._stamps = files
        with (
            threads(self.workers) as pool,
            closing(self._batches(pool, files)) as batches,
            closing(encoded_ahead(self.clap, batches)) as embedded,
        ):
            for digests, rows in embedded:
                self._keep(digests, rows.numpy())
            self._note()
        return self.counts

    def _batches(
        self, pool: ThreadPoolExecutor, paths: Iterable[str]
    ) -> Iterator[tuple[list[str | None], list[torch.Tensor]]]:
        """Windows of new sounds, and whose they are."""
        while paths:
            self._again = []
            with closing(self._read(pool, paths)) as parts:
                for decoded in parts:
                    self._take(decoded)
                    while len(self._batch) >= self.batch_size:
                        yield self._next_batch()
                    if len(self._records) >= self.batch_size:
                        self._note()
            paths = self._again
        while self._batch:
            yield self._next_batch()

    def _next_batch(self) -> tuple[list[str | None], list[torch.Tensor]]:
        batch = self._batch[: self.batch_size]
        self._batch = self._batch[self.batch_size :]
        digests: list[str | None] = [digest for digest, _ in batch]
        self._under_way.append(digests)
        return digests, [wav for _, wav in batch]

    def _read(
        self, pool: ThreadPoolExecutor, paths: Iterable[str]
    ) -> Iterator[Decoded]:
        rate, size = self._model.sample_rate, self._model.clip_samples
        files = ahead(pool, hashed, paths, 8 * self.workers)
        sounds = (
            read_sound(file.path, file.hash, rate, size, self.batch_size)
            for file in files
            if self._is_new(file)
        )
        return side_by_side(pool, sounds, 2 * self.workers)

    def _is_new(self, file: Hashed) -> bool:
        """Notes what is not to be embedded."""
        path, digest = file.path, file.hash
        if digest in self._known:
            self._record(path, sound=self._known[digest])
            self.counts.recognised += 1
        elif file.error is not None:
            self._fail(path, file.error)
        elif digest in self._growing:
            self._growing[digest].paths.append(path)
        else:
            self._growing[digest] = _Growing([path])
            return True
        return False

    def _take(self, decoded: Decoded) -> None:
        digest = decoded.hash
        if decoded.error is not None:
            first, *copies = self._growing.pop(digest).paths
            self._fail(first, decoded.error)
            self._batch = [part for part in self._batch if part[0] != digest]
            for digests in self._under_way:  # a copy that is read again has its own
                digests[:] = [None if other == digest else other for other in digests]
            self._again += copies  # the disk, not the bytes, may be what failed
            return
        sound = self._growing[digest]
        if sound.missing is None:
            sound.samples = decoded.samples
            sound.missing = -(-decoded.samples // self._model.clip_samples)
        sound.remarks, sound.header = decoded.remarks, decoded.header
        self._batch += [(digest, wav) for wav in decoded.wavs]

    def _keep(self, digests: list[str | None], rows: np.ndarray) -> None:
        self._under_way.popleft()
        for digest, row in zip(digests, rows, strict=True):
            if digest in self._growing:
                self._growing[digest].parts.append(row)
                self._growing[digest].missing -= 1
        self._note()

    def _note(self) -> None:
        """Puts on disk what is finished."""
        done = {d: sound for d, sound in self._growing.items() if sound.missing == 0}
        rows = {digest: np.stack(sound.parts) for digest, sound in done.items()}
        finite = {d: row for d, row in rows.items() if np.isfinite(row).all()}
        if finite:
            self._known |= self.store.add_sounds(
                [_new(digest, done[digest], row) for digest, row in finite.items()]
            )
        for digest, sound in done.items():
            del self._growing[digest]
            if digest not in finite:
                for path in sound.paths:
                    self._fail(path, f"{path}: {_NOT_FINITE}")
                continue
            for path in sound.paths:
                self._record(path, sound=self._known[digest])
            self.counts.embedded += 1
            self.counts.recognised += len(sound.paths) - 1
        self.store.set_files(self._records)
        self.report(len(self._records))
        self._records = {}

    def _fail(self, path: str, error: str) -> None:
        self._record(path, error=error)
        self.counts.failed += 1

    def _record(self, path: str, sound: int | None = None, error: str | None = None):
        self._records[path] = FileRecord(self._stamps[path], sound, error)


def _new(digest: str, sound: _Growing, embedding: np.ndarray) -> NewSound:
    return NewSound(digest, sound.samples, embedding, sound.remarks, sound.header)
