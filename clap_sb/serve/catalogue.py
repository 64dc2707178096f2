"""All sounds of an index by what they can be filtered by."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from clap_sb.data.printable import printable

if TYPE_CHECKING:
    from clap_sb.search.records import Header
    from clap_sb.search.store import Store
    from clap_sb.serve.wanted import Wanted

_MOST_FOLDERS = 500


class Catalogue:
    """The files of an index, as it was when this was made.

    Arguments
    ---------
    store : Store
        The index.

    Attributes
    ----------
    sounds : np.ndarray
        Ids, ``[sounds]``.
    unnoted : list of int
        Those of which the index notes no sample rate and no channels.

    Example
    -------
    >>> from clap_sb.search.records import FileRecord, ModelFacts, NewSound
    >>> from clap_sb.search.scan import Stamp
    >>> from clap_sb.search.store import Store
    >>> from clap_sb.serve.wanted import Wanted
    >>> facts = ModelFacts("f00d", "a model", "model.pt", None, "", 2, 10, 20)
    >>> store = Store.create(getfixture("tmp_path") / "sounds.index", facts)
    >>> ids = store.add_sounds([NewSound("ab12", 35, np.eye(2))])
    >>> store.set_files({"/sounds/a/b.wav": FileRecord(Stamp(1, 1), ids["ab12"])})
    >>> store.set_fact("folders", ["/sounds"])
    >>> Catalogue(store).choices({})["folders"]
    [{'name': 'a', 'count': 1}]
    >>> Catalogue(store).matching(Wanted(format="wav"), {}).tolist()
    [1]
    """

    def __init__(self, store: Store):
        self._folders_of = FolderNames(store.fact("folders"))
        spans = store.spans()
        self.sounds = spans[:, 0]
        self._headers = store.headers.all()
        self.unnoted = [s for s in self.sounds.tolist() if s not in self._headers]
        self._seconds = dict(
            zip(
                self.sounds.tolist(),
                (spans[:, 3] / store.model.sample_rate).tolist(),
                strict=True,
            )
        )
        # a sound may lie in several folders, by names of several suffixes
        self._files = [
            (record.sound, self._folders_of(path), suffix_of(path))
            for path, record in store.files().items()
            if record.sound is not None
        ]

    def matching(self, wanted: Wanted, read: Mapping[int, Header | None]) -> np.ndarray:
        """Finds the sounds that may be found.

        Arguments
        ---------
        wanted : Wanted
            The filters.
        read : mapping
            Headers that the index does not note and that have been read, by id; what
            has none has no rate and no channels.

        Returns
        -------
        np.ndarray
            Ids, ``[sounds]``.
        """
        low = -np.inf if wanted.shortest is None else wanted.shortest
        high = np.inf if wanted.longest is None else wanted.longest
        found = {
            sound
            for sound, folder, suffix in self._files
            if (wanted.folder is None or is_below(folder, wanted.folder))
            and (wanted.format is None or suffix == wanted.format.lower())
            and low <= self._seconds.get(sound, np.nan) <= high
        }
        headers = {**read, **self._headers}
        for name in ("rate", "channels"):
            value = getattr(wanted, name)
            if value is not None:
                own = {s: header for s in found if (header := headers.get(s))}
                found = {s for s in own if getattr(own[s], name) == value}
        return np.array(sorted(found), dtype=np.int64)

    def choices(self, read: Mapping[int, Header | None]) -> dict[str, Any]:
        """Counts what there is to choose from.

        Arguments
        ---------
        read : mapping
            As of :meth:`matching`.

        Returns
        -------
        dict
            ``folders``, ``formats``, ``rates`` and ``channels``: each a list of names
            with the number of sounds; ``longest`` in seconds; ``read``: of how many
            sounds, ``of`` all, the rate and the channels are known.
        """
        # copies of a sound are one
        within, called = set(), set()
        for sound, folder, suffix in self._files:
            called.add((sound, suffix))
            parts = folder.split("/") if folder else []
            within |= {(sound, "/".join(parts[: i + 1])) for i in range(len(parts))}
        folders = Counter(folder for _, folder in within)
        formats = Counter(suffix for _, suffix in called)
        headers = {**read, **self._headers}
        known = [headers[s] for s in self.sounds.tolist() if s in headers]
        seen = [header for header in known if header is not None]
        return {
            "folders": _listed(folders, sorted(_most(folders)[:_MOST_FOLDERS])),
            "formats": _by_count(formats),
            "rates": _by_count(Counter(header.rate for header in seen)),
            "channels": _by_count(Counter(header.channels for header in seen)),
            "longest": max(self._seconds.values(), default=0.0),
            "read": len(known),
            "of": len(self.sounds),
        }


class FolderNames:
    """What the page calls the folder of a file.

    That is its path below the folder that the index was told; of several, with the name
    of that one before it.

    Arguments
    ---------
    roots : sequence of str
        The folders of the index.

    Example
    -------
    >>> FolderNames(["/a/sounds"])("/a/sounds/dogs/rex.wav")
    'dogs'
    >>> FolderNames(["/a/sounds", "/b"])("/a/sounds/rex.wav")
    'sounds'
    """

    def __init__(self, roots: Sequence[str]):
        # a folder within another one comes before it
        self._roots = sorted(roots, key=len, reverse=True)

    def __call__(self, path: str) -> str:
        """Names the folder of a file, with slashes."""
        folder = os.path.dirname(path)
        for root in self._roots:
            if folder == root or folder.startswith(root.rstrip(os.sep) + os.sep):
                inner = os.path.relpath(folder, root)
                parts = [] if len(self._roots) == 1 else [os.path.basename(root)]
                parts += [] if inner == os.curdir else [inner]
                return printable("/".join(parts).replace(os.sep, "/"))
        return printable(folder.replace(os.sep, "/"))


def is_below(folder: str, above: str) -> bool:
    """Whether a folder is another one, or lies below it.

    Arguments
    ---------
    folder : str
        A name of :class:`FolderNames`.
    above : str
        Another one.

    Returns
    -------
    bool

    Example
    -------
    >>> is_below("a/b", "a"), is_below("ab", "a")
    (True, False)
    """
    return folder == above or folder.startswith(f"{above}/")


def suffix_of(path: str) -> str:
    """The kind of a file by its name.

    Arguments
    ---------
    path : str
        The file.

    Returns
    -------
    str
        In lower case, without the dot.

    Example
    -------
    >>> suffix_of("/a/b.WAV")
    'wav'
    """
    return os.path.splitext(path)[1][1:].lower()


def _listed(counts: Counter, names: Sequence[Any]) -> list[dict[str, Any]]:
    return [{"name": name, "count": counts[name]} for name in names]


def _by_count(counts: Counter) -> list[dict[str, Any]]:
    return _listed(counts, _most(counts))


def _most(counts: Counter) -> list[Any]:
    """The most frequent first, and of several by name."""
    return sorted(counts, key=lambda name: (-counts[name], name))
