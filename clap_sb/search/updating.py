"""Brings an index up to date with its folders."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from clap_sb.inference.model_fingerprint import signature
from clap_sb.search.approximate import update_approximate
from clap_sb.search.changes import Changes, check_not_emptied
from clap_sb.search.compaction import compact
from clap_sb.search.errors import SearchError
from clap_sb.search.lock import locked
from clap_sb.search.matching import (
    check_model,
    describe_model,
    located,
    sources,
)
from clap_sb.search.noted_headers import note_missing
from clap_sb.search.scan import Scan, Stamp, full_names, outermost, scan
from clap_sb.search.sound_embedder import Counts, SoundEmbedder
from clap_sb.search.store import DATABASE, Store

if TYPE_CHECKING:
    from clap_sb.inference import CLAP

# Vectors up to which every query is compared with every vector.
EXACT_UP_TO = 300_000
LOCK = "lock"


class Progress(Protocol):
    """Tells how far it is."""

    def __call__(self, total: int, about: str) -> Callable[[int], object]:
        """Begins, with the number of files and what is done; gives what counts them."""


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
        Files that are gone, or whose folder was forgotten.
    files : int
        Files in the index now.
    windows : int
        Windows in the index now.
    errors : dict
        Why files of the folders cannot be used, by full name.
    unseen : dict
        Why folders, and single files, could not be looked at, by full name; what the
        index knows of there is kept.
    remarks : dict
        What is worth telling about files of the index, by full name: a list of
        sentences.
    passed_by : dict
        What lies in the folders that were looked at and is no sound: full name of the
        folder to kind (the suffix) to number.
    without_sounds : list of str
        Those of the folders that were looked at in which there is no sound.
    """

    embedded: int
    recognised: int
    failed: int
    unchanged: int
    removed: int
    files: int
    windows: int
    errors: dict[str, str]
    unseen: dict[str, str]
    remarks: dict[str, list[str]]
    passed_by: dict[str, dict[str, int]]
    without_sounds: list[str]


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
        progress: Progress | None = None,
        forget: Sequence[str | os.PathLike] = (),
        allow_empty: bool = False,
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
            Called with the number of files to read, and in words what is done to them;
            gives what is called with each number of files that were finished.
        forget : sequence of str or path-like
            Folders of the index that it is to follow no longer; they may be missing.
        allow_empty : bool
            Whether a folder may have lost all of its sounds: without it that is taken
            for a disk that is not mounted.

        Returns
        -------
        Update

        Raises
        ------
        SearchError
            If a folder is missing, or empty all of a sudden, the index holds another
            model's embeddings, or another process is writing to it.
        """
        chosen = full_names(folders)
        _check_folder(self.out)
        self.out.mkdir(parents=True, exist_ok=True)
        with locked(self.out / LOCK):
            store = self._open(checkpoint, tokenizer)
            folders = outermost([*_without(store, forget), *chosen])
            looked_at = chosen or full_names(_there(folders) if forget else folders)
            if not looked_at and not forget:
                raise SearchError(f"{self.out} has no folder yet: give one with sounds")
            found = scan(looked_at)
            known = store.files()
            if not allow_empty:
                check_not_emptied(known, found)
            changes = Changes.between(known, found, folders, retry)
            counts = self._apply(store, folders, changes, progress)
            begin = partial(progress, about="reading headers") if progress else None
            note_missing(store, found.files, begin)
            return _summary(store, counts, changes, found)

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
        checkpoint, tokenizer = sources(model, checkpoint, tokenizer)
        seen = signature(checkpoint, tokenizer)
        if seen and seen == model.signature:
            return
        self._clap = self.load(checkpoint, tokenizer)
        check_model(store, self._clap)
        noted = located(model, self._clap, checkpoint, tokenizer)
        if noted != model:
            store.set_fact("model", asdict(noted))

    def _apply(
        self,
        store: Store,
        folders: list[str],
        changes: Changes,
        progress: Progress | None,
    ) -> Counts:
        if folders != store.fact("folders"):
            store.set_fact("folders", folders)
        if changes.gone:
            store.remove_files(changes.gone)
        counts = Counts()
        if changes.to_read:
            counts = self._embed(store, changes.to_read, progress)
        compact(store)
        update_approximate(store, self.exact_up_to)
        return counts

    def _embed(
        self,
        store: Store,
        todo: dict[str, Stamp],
        progress: Progress | None,
    ) -> Counts:
        model = store.model
        if self._clap is None:
            self._clap = self.load(model.checkpoint, model.tokenizer)
            check_model(store, self._clap)
        embed = SoundEmbedder(
            store,
            self._clap,
            batch_size=self.batch_size,
            workers=self.workers,
        )
        if progress is not None:
            embed.report = progress(len(todo), about="embedding")
        return embed.run(todo)


def _check_folder(out: Path) -> None:
    """An index gets a folder of its own."""
    if out.exists() and not (out.is_dir() and _may_be_index(out)):
        raise SearchError(
            f"{out} exists already and is no index: name another folder by --out"
        )


def _may_be_index(folder: Path) -> bool:
    """Whether it is one, or is empty, but for what a beginning has left or makes."""
    # in one look: another process may be making it
    names = {path.name for path in folder.iterdir()}
    return DATABASE in names or names <= {
        LOCK,
        f"{DATABASE}.tmp",
        f"{DATABASE}.tmp-journal",
    }


def _there(folders: Sequence[str]) -> list[str]:
    """Those that can be looked at now: to forget one folder takes no other."""
    return [folder for folder in folders if os.path.isdir(folder)]


def _without(store: Store, forget: Sequence[str | os.PathLike]) -> list[str]:
    """The folders of an index but for some of them, which it must have."""
    folders = store.fact("folders")
    kept = set(folders)
    for folder in forget:
        # by the name that was given too: a link may have taken the folder's place
        given, resolved = os.path.abspath(folder), str(Path(folder).resolve())
        name = given if given in folders else resolved
        if name not in folders:
            raise SearchError(
                f"{folder} is no folder of {store.folder}, so it cannot be forgotten; "
                f"its folders are: {', '.join(folders) or 'none'}"
            )
        kept.discard(name)
    return sorted(kept)


def _summary(store: Store, counts: Counts, changes: Changes, found: Scan) -> Update:
    files = store.files()
    return Update(
        **asdict(counts),
        unchanged=changes.unchanged,
        removed=len(changes.gone),
        files=sum(record.sound is not None for record in files.values()),
        windows=int(store.spans()[:, 2].sum()),
        errors={
            path: record.error
            for path, record in files.items()
            if record.error is not None
        },
        unseen=found.unseen,
        remarks=store.remarks(),
        passed_by=found.passed_by,
        without_sounds=found.without_sounds,
    )
