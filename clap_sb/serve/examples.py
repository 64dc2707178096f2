"""Sounds and pictures that were sent, as long as the page asks by them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from clap_sb.search.errors import SearchError

_KEPT = 64


@dataclass(frozen=True)
class Sent:
    """The file that a request carries.

    Arguments
    ---------
    content : bytes
        Its bytes.
    name : str
        What its sender calls it, for messages.
    is_picture : bool
        Whether it is a picture, and no sound.
    """

    content: bytes
    name: str = ""
    is_picture: bool = False


class Examples:
    """Keeps the embeddings of the last files that were sent, and not the files.

    Example
    -------
    >>> examples = Examples()
    >>> name = examples.keep(Sent(b"bytes"), np.ones(2))
    >>> examples.of(name)
    array([1., 1.])
    """

    def __init__(self):
        self._kept: OrderedDict[str, np.ndarray] = OrderedDict()

    def keep(self, sent: Sent, embedding: np.ndarray) -> str:
        """Keeps one.

        Arguments
        ---------
        sent : Sent
            The file.
        embedding : np.ndarray
            ``[dim]``.

        Returns
        -------
        str
            The name that it goes by from now on.
        """
        kind = b"picture" if sent.is_picture else b"sound"
        name = hashlib.sha256(kind + sent.content).hexdigest()[:32]
        self._kept[name] = embedding
        self._kept.move_to_end(name)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return name

    def of(self, name: str) -> np.ndarray:
        """Gives the embedding of one.

        Arguments
        ---------
        name : str
            From :meth:`keep`.

        Returns
        -------
        np.ndarray
            ``[dim]``.

        Raises
        ------
        SearchError
            If it is not kept any more.
        """
        if name not in self._kept:
            raise SearchError("your example is not kept any more: drop it again")
        self._kept.move_to_end(name)
        return self._kept[name]
