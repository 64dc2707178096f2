"""What the page asks of a single sound: to hear it, to see it, to take it away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from clap_sb.data.audio import read_wav
from clap_sb.data.printable import printable
from clap_sb.search.own_folders import Heard, NotOwnError
from clap_sb.search.scan import Stamp
from clap_sb.search.searcher import Searcher
from clap_sb.serve.excerpt import excerpt_wav
from clap_sb.serve.fair_lock import FairLock
from clap_sb.serve.headers import Headers
from clap_sb.serve.playback import Playable, Playback, first_unchanged


class Sounds:
    """Answers for sounds, which go by their ids.

    Arguments
    ---------
    searcher : Searcher
        The index and its model.
    lock : FairLock
        Held while the index is asked.
    folder : Path
        For copies of sounds that browsers do not play.
    heard : callable
        Gives which files may be given away; called with the lock.

    Attributes
    ----------
    headers : Headers
        Sample rates and channels.
    """

    def __init__(
        self,
        searcher: Searcher,
        lock: FairLock,
        folder: Path,
        heard: Callable[[], Heard],
    ):
        self._searcher = searcher
        self._heard = heard
        self._lock = lock
        self._playback = Playback(folder)
        self.headers = Headers(self.path_of)

    def path_of(self, sound: int) -> Path:
        """Finds a file of a sound that is what it was when it was indexed.

        Arguments
        ---------
        sound : int
            Its id.

        Returns
        -------
        Path

        Raises
        ------
        FileNotFoundError
            If the index has no such sound, or its files have changed.
        NotOwnError
            If they lie where nobody has had them indexed.
        """
        with self._lock:
            files = self._files_of(sound)
        return first_unchanged(files)

    def playable(self, sound: int) -> Playable:
        """Finds a sound for the player.

        Arguments
        ---------
        sound : int
            Its id.

        Returns
        -------
        Playable

        Raises
        ------
        FileNotFoundError, NotOwnError
            As :meth:`path_of` does.
        """
        with self._lock:
            files = self._files_of(sound)
            digest = self._searcher.index.store.hash_of(sound)
        return self._playback.of(digest, files)

    def header(self, sound: int) -> dict[str, int] | None:
        """Tells the sample rate and the channels of a sound's file.

        Arguments
        ---------
        sound : int
            Its id.

        Returns
        -------
        dict or None
            ``rate`` and ``channels``; None if it is gone or cannot be read.
        """
        header = self.headers.of(sound)
        return None if header is None else vars(header)

    def overview(self, sound: int) -> bytes:
        """Draws a whole file.

        Arguments
        ---------
        sound : int
            Id of the sound.

        Returns
        -------
        bytes
            See :func:`~clap_sb.serve.picture.overview_png`.

        Raises
        ------
        FileNotFoundError, NotOwnError
            As :meth:`path_of` does.
        """
        # torch and what it needs, which a command line that is wrong does not wait for
        from clap_sb.serve.picture import overview_png

        return overview_png(self._searcher.clap, self.path_of(sound))

    def picture(self, sound: int, window: int) -> bytes:
        """Draws a window.

        Arguments
        ---------
        sound : int
            Id of the sound.
        window : int
            Which of its windows.

        Returns
        -------
        bytes
            See :func:`~clap_sb.serve.picture.spectrogram_png`.

        Raises
        ------
        SearchError
            If the index has no such window.
        FileNotFoundError, NotOwnError
            As :meth:`path_of` does.
        """
        from clap_sb.serve.picture import spectrogram_png

        clap = self._searcher.clap
        start, end = self._times(sound, window)
        wav = read_wav(self.path_of(sound), clap.sample_rate, start, end - start)
        return spectrogram_png(clap, wav)

    def excerpt(self, sound: int, window: int) -> tuple[str, bytes]:
        """Cuts a window out.

        Arguments
        ---------
        sound : int
            Id of the sound.
        window : int
            Which of its windows.

        Returns
        -------
        name : str
            For the new file.
        content : bytes
            See :func:`~clap_sb.serve.excerpt.excerpt_wav`.

        Raises
        ------
        SearchError
            If the index has no such window.
        FileNotFoundError, NotOwnError
            As :meth:`path_of` does.
        """
        start, end = self._times(sound, window)
        path = self.path_of(sound)
        name = printable(f"{path.stem} {start:.1f}-{end:.1f} s.wav")
        return name, excerpt_wav(path, start, end)

    def _files_of(self, sound: int) -> dict[str, Stamp]:
        # SQLite has no larger numbers
        store = self._searcher.index.store
        files = store.files_of(sound) if sound < 2**63 else {}
        if not files:
            raise FileNotFoundError(f"there is no sound {sound} in the index")
        heard = self._heard()
        own = {path: stamp for path, stamp in files.items() if heard.holds(path)}
        if not own:
            raise NotOwnError(
                f"{next(iter(files))} is not played: it lies in no folder of the index "
                "that you have had indexed on this machine. If it may be heard, start "
                "`clap-sb serve` with --play-from and its folder"
            )
        return own

    def _times(self, sound: int, window: int) -> tuple[float, float]:
        with self._lock:
            _, start, end = self._searcher.index.window(sound, window)
        return start, end
