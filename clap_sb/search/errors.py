"""What goes wrong with an index."""

from __future__ import annotations


class SearchError(ValueError):
    """An index that cannot be used; the message says why, and what to do.

    Example
    -------
    >>> raise SearchError("sounds.index: there is no such index")
    Traceback (most recent call last):
    ...
    clap_sb.search.errors.SearchError: sounds.index: there is no such index
    """
