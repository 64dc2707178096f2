"""What goes wrong with an index."""

from __future__ import annotations

from pathlib import Path


class SearchError(ValueError):
    """An index that cannot be used; the message says why, and what to do.

    Example
    -------
    >>> raise SearchError("sounds.index: there is no such index")
    Traceback (most recent call last):
    ...
    clap_sb.search.errors.SearchError: sounds.index: there is no such index
    """


def remake(folder: Path) -> str:
    """What to do about an index that cannot be used any more.

    Arguments
    ---------
    folder : Path
        The index.

    Returns
    -------
    str
        The end of a sentence.

    Example
    -------
    >>> remake(Path("a.index")).partition(",")[0]
    'delete the folder a.index'
    """
    return (
        f"delete the folder {folder}, and make it again with `clap-sb index FOLDER "
        f"--checkpoint MODEL --out {folder}`"
    )
