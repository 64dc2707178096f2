"""Where a user's programs keep what is theirs, by the system's own rules."""

from __future__ import annotations

import os
from pathlib import Path


def user_folder(variable: str, below_home: str) -> Path:
    """Finds a folder for what programs note or keep for a user.

    Arguments
    ---------
    variable : str
        Of the environment, which may name it: ``XDG_STATE_HOME``. What is no full name
        is passed over, as its rules have it: it would be another in each folder.
    below_home : str
        Where it is otherwise, from the user's home on.

    Returns
    -------
    Path
        It need not be there.

    Raises
    ------
    FileNotFoundError
        If there is neither, as for users that a container's system does not know.

    Example
    -------
    >>> user_folder("NOT_SET", ".cache") == Path.home() / ".cache"
    True
    """
    named = Path(os.environ.get(variable, ""))
    if named.is_absolute():
        return named
    try:
        home = Path.home()
    except RuntimeError:
        raise FileNotFoundError(
            f"this user has no home folder: set HOME, or {variable}"
        ) from None
    return home / below_home
