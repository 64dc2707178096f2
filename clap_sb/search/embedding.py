"""New sounds into an index: read in threads, embedded in batches, stored at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from clap_sb.search.reading import Decoded, Opened, ahead, decode, open_sound, pieces
from clap_sb.search.records import FileRecord, NewSound
from clap_sb.search.scan import Stamp
from clap_sb.search.store import Store

if TYPE_CHECKING:
    import torch

Encoder = Callable[[list["torch.Tensor"]], np.ndarray]


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

    samples: int
    paths: list[str]
    missing: int
    parts: list[np.ndarray]


class SoundEmbedder:
    """Brings files into an index.

    A file counts once all of its windows are on disk; a process that is killed loses
    those of the batch in hand, and of a long file that is not finished.

    Arguments
    ---------
    store : Store
        Where they go.
    encode : callable
        Waveforms of at most a window to embeddings ``[windows, dim]``.
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
        encode: Encoder,
        batch_size: int = 16,
        workers: int = 2,
        report: Callable[[int], object] = lambda files: None,
    ):
        self.store = store
        self.encode = encode
        self.batch_size = batch_size
        self.workers = workers
        self.report = report
        self.counts = Counts()
        self._model = store.model
        self._stamps: Mapping[str, Stamp] = {}
        self._known = store.known_sounds()
        self._broken: dict[str, str] = {}
        self._growing: dict[str, _Growing] = {}
        self._batch: list[tuple[str, torch.Tensor]] = []
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
        self._stamps = files
        pool = ThreadPoolExecutor(self.workers)
        try:
            for decoded in self._read(pool):
                self._take(decoded)
                while len(self._batch) >= self.batch_size:
                    self._embed()
                if len(self._records) >= self.batch_size:
                    self._note()
            while self._batch:
                self._embed()
            self._note()
        finally:
            pool.shutdown(cancel_futures=True)
        return self.counts

    def _read(self, pool: ThreadPoolExecutor) -> Iterator[Decoded]:
        rate, size = self._model.sample_rate, self._model.clip_samples
        look = partial(open_sound, sample_rate=rate, known=frozenset(self._known))
        opened = ahead(pool, look, self._stamps, 8 * self.workers)
        new = (
            piece
            for sound in opened
            if self._is_new(sound)
            for piece in pieces(sound, size, self.batch_size)
        )
        read = partial(decode, sample_rate=rate, size=size)
        return ahead(pool, read, new, 2 * self.workers)

    def _is_new(self, opened: Opened) -> bool:
        """Notes what is not to be embedded."""
        path, digest = opened.path, opened.hash
        if digest in self._known:
            self._record(path, sound=self._known[digest])
            self.counts.recognised += 1
        elif opened.error is not None:
            self._fail([path], opened.error)
        elif digest in self._broken:
            self._fail([path], self._broken[digest])
        elif digest in self._growing:
            self._growing[digest].paths.append(path)
        else:
            windows = -(-opened.samples // self._model.clip_samples)
            self._growing[digest] = _Growing(opened.samples, [path], windows, [])
            return True
        return False

    def _take(self, decoded: Decoded) -> None:
        digest = decoded.piece.hash
        if decoded.error is not None and digest in self._growing:
            self._broken[digest] = decoded.error
            self._fail(self._growing.pop(digest).paths, decoded.error)
        elif digest in self._growing:
            self._batch += [(digest, wav) for wav in decoded.wavs]

    def _embed(self) -> None:
        batch = self._batch[: self.batch_size]
        self._batch = self._batch[self.batch_size :]
        rows = self.encode([wav for _, wav in batch])
        for (digest, _), row in zip(batch, rows, strict=True):
            if digest in self._growing:
                self._growing[digest].parts.append(row)
                self._growing[digest].missing -= 1
        self._note()

    def _note(self) -> None:
        """Puts on disk what is finished."""
        done = {d: sound for d, sound in self._growing.items() if not sound.missing}
        if done:
            self._known |= self.store.add_sounds(
                [NewSound(d, s.samples, np.stack(s.parts)) for d, s in done.items()]
            )
        for digest, sound in done.items():
            for path in self._growing.pop(digest).paths:
                self._record(path, sound=self._known[digest])
            self.counts.embedded += 1
            self.counts.recognised += len(sound.paths) - 1
        self.store.set_files(self._records)
        self.report(len(self._records))
        self._records = {}

    def _fail(self, paths: list[str], error: str) -> None:
        for path in paths:
            self._record(path, error=error)
            self.counts.failed += 1

    def _record(self, path: str, sound: int | None = None, error: str | None = None):
        self._records[path] = FileRecord(self._stamps[path], sound, error)
