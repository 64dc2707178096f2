"""What the page asks for, as plain data."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clap_sb.data.printable import printable
from clap_sb.search.formats import as_m3u
from clap_sb.search.hits import Hit
from clap_sb.search.own_folders import Heard, own_folders
from clap_sb.search.searcher import Searcher
from clap_sb.search.store import Store
from clap_sb.serve.catalogue import Catalogue, FolderNames
from clap_sb.serve.examples import Sent
from clap_sb.serve.fair_lock import FairLock
from clap_sb.serve.queries import Queries
from clap_sb.serve.rows import row_of
from clap_sb.serve.sounds import Sounds
from clap_sb.serve.tags import tags_of
from clap_sb.serve.wanted import Wanted

if TYPE_CHECKING:
    from clap_sb.search.index import SearchIndex

_FOLD = 0.98
_PATIENCE = 1.0  # seconds


class Service:
    """Answers the page; one request at a time has the index and the model.

    They are given in the order in which they were asked for, and nobody has them for
    longer than a query, or a batch of sounds or words, takes.

    Arguments
    ---------
    searcher : Searcher
        The index and its model.
    folder : Path
        For copies of sounds that browsers do not play.
    play_from : sequence of str
        Folders to play sounds of, beside those that this user has had indexed.

    Attributes
    ----------
    sounds : Sounds
        Answers what is asked of a single sound.
    """

    def __init__(self, searcher: Searcher, folder: Path, play_from: Sequence[str] = ()):
        self._searcher = searcher
        self._play_from = tuple(play_from)
        self._catalogue: tuple[SearchIndex, Catalogue] | None = None
        self._lock = FairLock()
        self._queries = Queries(searcher, self._lock)
        self._listing = threading.Lock()
        self.sounds = Sounds(searcher, self._lock, folder, self.heard)

    def heard(self) -> Heard:
        """Which files may be given away, as the index is now; for who holds the lock.

        Returns
        -------
        Heard
        """
        own = [*own_folders(), *self._play_from]
        return Heard(self._searcher.index.store.fact("folders"), own)

    def about(self) -> dict[str, Any]:
        """Tells what can be searched."""
        with self._lock:
            self._searcher.refresh()
            index = self._searcher.index
            return {
                "sounds": index.num_sounds,
                "windows": index.num_windows,
                "exact": index.is_exact,
                "index": printable(str(index.store.folder.absolute())),
                "model": index.model.description,
                "fingerprint": index.model.fingerprint,
                "pictures": self._queries.takes_pictures,
                "folders": [printable(name) for name in index.store.fact("folders")],
            }

    def choices(self, reads: bool = False) -> dict[str, Any]:
        """Tells what can be filtered by.

        Arguments
        ---------
        reads : bool
            Whether headers that the index does not note are read for it, in the
            background.

        Returns
        -------
        dict
            See :meth:`~clap_sb.serve.catalogue.Catalogue.choices`.
        """
        catalogue = self._current_catalogue()
        if reads:
            self.sounds.headers.read_all(catalogue.unnoted)
        return catalogue.choices(self.sounds.headers.known())

    def search(self, wanted: Wanted, sent: Sent | None = None) -> dict[str, Any]:
        """Searches.

        Arguments
        ---------
        wanted : Wanted
            What for.
        sent : Sent, optional
            A sound, or a picture, that is to sound alike.

        Returns
        -------
        dict
            ``hits``, the best first; ``more``: whether more may be asked for;
            ``among``: the number of sounds that could be found; ``unread``: of how many
            the rate and the channels that were asked for are not known yet;
            ``example``: the name by which to ask again for what was sent; ``like``: the
            name of the sound that was named.

        Raises
        ------
        SearchError
            If there is nothing to search for, or no such window.
        AudioError
            If the sound cannot be used.
        UploadRefused
            If it is too long.
        """
        example, embedding = wanted.example, None
        if sent is not None:
            example, embedding = self._queries.of_sent(sent)
        unread, among = self._filtered(wanted)
        with self._lock:
            self._searcher.refresh()
            query = self._queries.vector(wanted, embedding)
            index = self._searcher.index
            if wanted.like is not None:
                every = index.sounds if among is None else among
                among = every[every != wanted.like]
            last = wanted.first + wanted.k
            fold = _FOLD if wanted.fold else None
            # one more tells whether there is one
            hits = index.search(query, last + 1, fold=fold, among=among)
            if wanted.lowest is not None:
                hits = [hit for hit in hits if hit.score >= wanted.lowest]
            return {
                "hits": self._rows(hits[wanted.first : last], query),
                "more": len(hits) > last and wanted.has_more,
                "among": index.num_sounds if among is None else len(among),
                "unread": unread,
                "example": example,
                "like": self._name_of(wanted.like),
            }

    def found(
        self,
        texts: Sequence[str],
        weights: Sequence[float] | None,
        k: int,
        every_window: bool,
        fold: float | None,
    ) -> tuple[str, list[Hit]]:
        """Finds for `clap-sb search`.

        Arguments
        ---------
        texts, weights, k, every_window, fold
            See :meth:`~clap_sb.search.searcher.Searcher.find`.

        Returns
        -------
        model : str
            The model, in words.
        hits : list of Hit
            The best first.

        Raises
        ------
        SearchError
            If a text is none, or the weights do not fit.
        """
        with self._lock:
            self._searcher.refresh()
            hits = self._searcher.find(
                texts, weights=weights, k=k, every_window=every_window, fold=fold
            )
            return self._searcher.index.model.description, hits

    def some(self, count: int, wanted: Wanted | None = None) -> dict[str, Any]:
        """Picks some sounds to begin with, from all over the index.

        Arguments
        ---------
        count : int
            How many.
        wanted : Wanted, optional
            Filters that they have to pass.

        Returns
        -------
        dict
            ``hits``, without scores; ``among`` and ``unread`` as of :meth:`search`.
        """
        unread, among = self._filtered(wanted or Wanted())
        with self._lock:
            self._searcher.refresh()
            sounds = self._searcher.index.sounds
            if among is not None:
                sounds = sounds[np.isin(sounds, among)]
            places = np.linspace(0, len(sounds) - 1, min(count, len(sounds)))
            chosen = [(int(sounds[place]), 0) for place in places.astype(int)]
            return {
                "hits": self._rows(self._hits_of(chosen), None),
                "among": len(sounds),
                "unread": unread,
            }

    def chosen(self, windows: Sequence[tuple[str, int]]) -> dict[str, Any]:
        """Lists sounds that were noted.

        Arguments
        ---------
        windows : sequence of (str, int)
            Hash of a sound, and which of its windows; what is not in the index any
            more is left out.

        Returns
        -------
        dict
            ``hits``, without scores.
        """
        with self._lock:
            self._searcher.refresh()
            return {"hits": self._rows(self._hits_of(self._known(windows)), None)}

    def playlist(self, windows: Sequence[tuple[str, int]]) -> str:
        """Writes sounds that were noted as a playlist.

        Arguments
        ---------
        windows : sequence of (str, int)
            As of :meth:`chosen`.

        Returns
        -------
        str
            See :func:`~clap_sb.search.formats.as_m3u`.
        """
        with self._lock:
            self._searcher.refresh()
            return as_m3u(self._hits_of(self._known(windows)))

    def tags(self, sent: Sent, labels: Sequence[str]) -> dict[str, Any]:
        """Compares a sound, or a picture, with labels.

        Arguments
        ---------
        sent, labels
            See :func:`~clap_sb.serve.tags.tags_of`, and for what it raises.

        Returns
        -------
        dict
            ``tags``, as of that.
        """
        return {"tags": tags_of(self._searcher.clap, sent, labels, self._lock)}

    def _filtered(self, wanted: Wanted) -> tuple[int, np.ndarray | None]:
        """How many headers are still to be read, and the sounds that may be found."""
        if not wanted.is_filtered:
            return 0, None
        catalogue, headers, unread = self._current_catalogue(), self.sounds.headers, 0
        if wanted.needs_headers:
            # a moment, which is enough for small indexes
            unread = headers.read_all(catalogue.unnoted, _PATIENCE)
        return unread, catalogue.matching(wanted, headers.known())

    def _current_catalogue(self) -> Catalogue:
        """Made without the lock: of a large index it takes a while."""
        with self._lock:
            self._searcher.refresh()
            index = self._searcher.index
        with self._listing:
            if self._catalogue is None or self._catalogue[0] is not index:
                self._catalogue = index, Catalogue(Store(index.store.folder))
            return self._catalogue[1]

    def _rows(
        self, hits: Sequence[Hit], query: np.ndarray | None
    ) -> list[dict[str, Any]]:
        index = self._searcher.index
        folders = FolderNames(index.store.fact("folders"))
        heard = self.heard()
        return [row_of(hit, index, folders, heard, query) for hit in hits]

    def _known(self, windows: Sequence[tuple[str, int]]) -> list[tuple[int, int]]:
        store = self._searcher.index.store
        found = [(store.sound_of(digest), window) for digest, window in windows]
        return [(sound, window) for sound, window in found if sound is not None]

    def _hits_of(self, windows: Sequence[tuple[int, int]]) -> list[Hit]:
        """Those that are there still."""
        found = [self._searcher.index.hit(*window) for window in windows]
        return [hit for hit in found if hit is not None]

    def _name_of(self, sound: int | None) -> str | None:
        if sound is None:
            return None
        paths = list(self._searcher.index.store.files_of(sound))
        return printable(os.path.basename(paths[0])) if paths else None
