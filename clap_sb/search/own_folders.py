"""Which folders this user has had indexed, and so may hear by any index.

An index may come from someone else, and lists what paths it likes: it is believed about
what a sound is called, and not about which files of this machine a page may give away.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from clap_sb.data.file_lock import file_lock
from clap_sb.data.suffixes import sound_order
from clap_sb.search.errors import SearchError
from clap_sb.search.scan import lies_in, outermost
from clap_sb.user_folder import user_folder
from clap_sb.whole_file import write_whole


class NotOwnError(PermissionError):
    """A file that an index names, and that its user has never had indexed."""


def own_folders() -> list[str]:
    """Reads which they are.

    Returns
    -------
    list of str
        Full names; none where there is no list, or it lies out of this user's reach, as
        in the home of somebody else.

    Raises
    ------
    SearchError
        If the list is damaged.
    """
    try:
        path = _list()
        names = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
            raise ValueError("it is no list of names")
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
    except (OSError, ValueError, RecursionError) as error:
        raise SearchError(
            f"{path} cannot be read ({error}): delete it, and name your folders to "
            "`clap-sb index` again"
        ) from None
    return names


def note_own(folders: Sequence[str]) -> None:
    """Notes folders as this user's own.

    Arguments
    ---------
    folders : sequence of str
        Full names, as the user gave them.

    Raises
    ------
    OSError
        If there is no place for the list.
    SearchError
        If the list is damaged.
    """
    path = _list()
    if not set(folders) - set(own_folders()):
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with file_lock(path.with_suffix(".lock"), wait=True):
        names = outermost([*own_folders(), *folders])
        # names of files need not be valid Unicode, and JSON escapes what is none
        write_whole(path, json.dumps(names, indent=1))


class Heard:
    """Which files of an index a page may give away.

    Those that lie in a folder of the index which is, or lies in, one of this user's
    own; links are files as they are found, and links to folders are followed to where
    they lead.

    Arguments
    ---------
    roots : sequence of str
        The folders of the index.
    own : sequence of str
        This user's own.

    Example
    -------
    >>> folder = getfixture("tmp_path").resolve()
    >>> heard = Heard([str(folder)], [str(folder)])
    >>> heard.holds(str(folder / "a.wav")), heard.holds(str(folder / "notes.txt"))
    (True, False)
    >>> heard.holds(os.path.join(folder, "..", "a.wav"))
    False
    >>> Heard([str(folder)], ["/elsewhere"]).unknown == [str(folder)]
    True
    """

    def __init__(self, roots: Sequence[str], own: Sequence[str]):
        self._roots = [os.path.realpath(root) for root in roots]
        self._own = [os.path.realpath(name) for name in own]
        self.unknown = [
            root
            for root, real in zip(roots, self._roots, strict=True)
            if not any(_is_in(real, name) or _is_in(name, real) for name in self._own)
        ]

    def holds(self, path: str) -> bool:
        """Whether a file is one of them.

        Arguments
        ---------
        path : str
            Full name, as the index has it.

        Returns
        -------
        bool
        """
        if not os.path.isabs(path) or sound_order(path) is None:
            return False
        folder = os.path.realpath(os.path.dirname(path))
        return all(
            any(_is_in(folder, name) for name in names)
            for names in (self._roots, self._own)
        )


def _is_in(folder: str, above: str) -> bool:
    return folder == above or lies_in(folder, above)


def _list() -> Path:
    """Where it is: in the user's own folder for what programs note."""
    return user_folder("XDG_STATE_HOME", ".local/state") / "clap_sb" / "folders.json"
