"""Brings an index up to date with its folders."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from clap_sb.inference.fingerprint import signature
from clap_sb.search.approximate import update_approximate
from clap_sb.search.compaction import compact
from clap_sb.search.embedding import Counts, SoundEmbedder
from clap_sb.search.errors import SearchError
from clap_sb.search.lock import locked
from clap_sb.search.matching import check_model, describe_model, encoder
from clap_sb.search.records import FileRecord
from clap_sb.search.scan import Stamp, full_names, lies_in, outermost, scan
from clap_sb.search.store import DATABASE, Store

if TYPE_CHECKING:
    from clap_sb.inference import CLAP

# Vectors up to which every query is compared with every vector.
EXACT_UP_TO = 300_000
LOCK = "lock"


@dataclass(frozen=True)
class Update:
    """What an update did.

    Arguments
    ---------
    embedded : int
        Files with a sound that was new.
    recognised : int
        Files that are new or changed, with a sound that the index had already.
    failed : int
        Files that cannot be used.
    unchanged : int
        Files that were not read.
    removed : int
        Files that are gone.
    files : int
        Files in the index now.
    windows : int
        Windows in the index now.
    errors : dict
        Why files of the folders cannot be used, by full name.
    """

    embedded: int
    recognised: int
    failed: int
    unchanged: int
    removed: int
    files: int
    windows: int
    errors: dict[str, str]


class Updater:
    """Makes an index of folders, or brings it up to date.

    Arguments
    ---------
    out : str or path-like
        Folder of the index.
    load : callable
        Gives the model for a checkpoint and a tokenizer; called only when needed.
    batch_size : int
        Windows that are embedded at once.
    workers : int
        Threads that read and decode.
    exact_up_to : int
        Vectors above which an approximate index is kept beside the exact one.
    """

    def __init__(
        self,
        out: str | os.PathLike,
        load: Callable[[str, str | None], CLAP],
        batch_size: int = 16,
        workers: int = 2,
        exact_up_to: int = EXACT_UP_TO,
    ):
        self.out = Path(out)
        self.load = load
        self.batch_size = batch_size
        self.workers = workers
        self.exact_up_to = exact_up_to
        self._clap: CLAP | None = None

    def run(
        self,
        folders: Sequence[str | os.PathLike] = (),
        checkpoint: str | None = None,
        tokenizer: str | None = None,
        retry: bool = False,
        progress: Callable[[int], Callable[[int], object]] | None = None,
    ) -> Update:
        """Does it.

        Arguments
        ---------
        folders : sequence of str or path-like
            Folders with sounds; those that the index has if there is none.
        checkpoint : str, optional
            The model's; needed the first time only.
        tokenizer : str, optional
            The text tower's, for checkpoints that come without it.
        retry : bool
            Whether to read files again that could not be used.
        progress : callable, optional
            Called with the number of files to read; gives what is called with each
            number of files that were finished.

        Returns
        -------
        Update

        Raises
        ------
        SearchError
            If a folder is missing, the index holds another model's embeddings, or
            another process is writing to it.
        """
        chosen = full_names(folders)
        _check_folder(self.out)
        self.out.mkdir(parents=True, exist_ok=True)
        with locked(self.out / LOCK):
            store = self._open(checkpoint, tokenizer)
            return self._update(store, chosen, retry, progress)

    def _open(self, checkpoint: str | None, tokenizer: str | None) -> Store:
        if (self.out / DATABASE).exists():
            store = Store(self.out)
            self._check(store, checkpoint, tokenizer)
            return store
        if checkpoint is None:
            raise SearchError(
                f"{self.out} is a new index: give the model's --checkpoint"
            )
        self._clap = self.load(checkpoint, tokenizer)
        return Store.create(self.out, describe_model(self._clap, checkpoint, tokenizer))

    def _check(
        self, store: Store, checkpoint: str | None, tokenizer: str | None
    ) -> None:
        """Sees that it is the same model, which takes no loading if no file changed."""
        model = store.model
        if checkpoint is None:
            checkpoint, tokenizer = model.checkpoint, tokenizer or model.tokenizer
        seen = signature(checkpoint)
        if seen and seen == model.signature:
            return
        self._clap = self.load(checkpoint, tokenizer)
        check_model(store, self._clap)
        store.set_fact("model", asdict(replace(model, signature=seen)))

    def _update(
        self,
        store: Store,
        chosen: list[str],
        retry: bool,
        progress: Callable[[int], Callable[[int], object]] | None,
    ) -> Update:
        folders = outermost([*store.fact("folders"), *chosen])
        looked_at = chosen or full_names(folders)
        if not looked_at:
            raise SearchError(f"{self.out} has no folder yet: give one with sounds")
        found = scan(looked_at)
        known = store.files()
        gone = [
            path
            for path in known
            if path not in found and any(lies_in(path, name) for name in looked_at)
        ]
        todo = _to_read(found, known, retry)
        if gone:
            store.remove_files(gone)
        if folders != store.fact("folders"):
            store.set_fact("folders", folders)
        counts = self._embed(store, todo, progress) if todo else Counts()
        compact(store)
        update_approximate(store, self.exact_up_to)
        return _summary(store, counts, len(found) - len(todo), len(gone))

    def _embed(
        self,
        store: Store,
        todo: dict[str, Stamp],
        progress: Callable[[int], Callable[[int], object]] | None,
    ) -> Counts:
        model = store.model
        if self._clap is None:
            self._clap = self.load(model.checkpoint, model.tokenizer)
            check_model(store, self._clap)
        embed = SoundEmbedder(
            store,
            encoder(self._clap, self.batch_size),
            batch_size=self.batch_size,
            workers=self.workers,
        )
        if progress is not None:
            embed.report = progress(len(todo))
        return embed.run(todo)


def _check_folder(out: Path) -> None:
    """An index gets a folder of its own."""
    if not out.exists() or (out / DATABASE).exists():
        return
    if not out.is_dir() or {path.name for path in out.iterdir()} - {
        LOCK,
        f"{DATABASE}.tmp",
    }:
        raise SearchError(
            f"{out} exists already and is no index: name another folder by --out"
        )


def _to_read(
    found: dict[str, Stamp], known: dict[str, FileRecord], retry: bool
) -> dict[str, Stamp]:
    """New and changed files, and on request those that could not be used."""
    return {
        path: stamp
        for path, stamp in found.items()
        if path not in known
        or known[path].stamp != stamp
        or (retry and known[path].error is not None)
    }


def _summary(store: Store, counts: Counts, unchanged: int, removed: int) -> Update:
    files = store.files()
    return Update(
        **asdict(counts),
        unchanged=unchanged,
        removed=removed,
        files=sum(record.sound is not None for record in files.values()),
        windows=int(store.spans()[:, 2].sum()),
        errors={
            path: record.error
            for path, record in files.items()
            if record.error is not None
        },
    )
