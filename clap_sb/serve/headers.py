"""Sample rates and channels of files, where an index does not note them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from clap_sb.search.noted_headers import read_header
from clap_sb.search.records import Header


class Headers:
    """Reads headers when they are asked for, each once if it is there.

    Arguments
    ---------
    path_of : callable
        The file of a sound, by its id; raises OSError if there is none.
    """

    def __init__(self, path_of: Callable[[int], Path]):
        self._path_of = path_of
        self._known: dict[int, Header] = {}
        # what had none when it was looked for: a disk may be mounted later
        self._failed: set[int] = set()
        self._lock = threading.Lock()
        self._reader: threading.Thread | None = None

    def of(self, sound: int) -> Header | None:
        """Gives the header of a sound.

        Arguments
        ---------
        sound : int
            Its id.

        Returns
        -------
        Header or None
            None if its file is gone, or cannot be read any more.
        """
        if sound not in self._known:
            header = self._read(sound)
            if header is None:
                self._failed.add(sound)
                return None
            self._known[sound] = header
        return self._known[sound]

    def known(self) -> dict[int, Header | None]:
        """What has been read so far.

        Returns
        -------
        dict
            Id to header; None for what had none.
        """
        return {**dict.fromkeys(self._failed.copy()), **self._known}

    def read_all(self, sounds: Sequence[int], patience: float = 0.0) -> int:
        """Reads on in the background, unless that is done or under way.

        Arguments
        ---------
        sounds : sequence of int
            Ids.
        patience : float
            How long to wait for it, in seconds.

        Returns
        -------
        int
            How many are not read yet.
        """
        with self._lock:
            missing = self._missing(sounds)
            if missing and not (self._reader and self._reader.is_alive()):
                self._reader = threading.Thread(
                    target=self._read_each, args=(missing,), daemon=True
                )
                self._reader.start()
            reader = self._reader
        if missing and reader is not None:
            reader.join(patience)
        return len(self._missing(sounds))

    def _missing(self, sounds: Sequence[int]) -> list[int]:
        read = self.known()
        return [sound for sound in sounds if sound not in read]

    def _read_each(self, sounds: Sequence[int]) -> None:
        for sound in sounds:
            self.of(sound)

    def _read(self, sound: int) -> Header | None:
        try:
            return read_header(str(self._path_of(sound)))
        except OSError:
            return None
