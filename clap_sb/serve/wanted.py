"""What a search asks for, and which sounds it is asked of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from clap_sb.search.errors import SearchError

_MOST_AT_ONCE = 100
# Each part of the list is found anew with all that stands before it.
_MOST_HITS = 2000
_KINDS = {"int": int, "float": float, "str": str}


@dataclass(frozen=True)
class Wanted:
    """A search, as the address of a request has it.

    Arguments
    ---------
    text : str
        What to listen for; empty for nothing.
    without : str
        Words that the sounds should lead away from.
    like : int or None
        Id of a sound of the index that is to sound alike; it is not found itself.
    window : int
        Which of its windows.
    example : str
        Name that the server gave to a sound, or a picture, that was sent.
    words : float
        Share of the text, from 0 to 1, where there is an example too.
    fold : bool
        Whether near-duplicates are folded.
    first : int
        Hits to pass over, which the page has already.
    k : int
        Hits.
    folder : str or None
        The folder that sounds are below, as `Catalogue` names it.
    format : str or None
        Suffix of their files, without the dot.
    shortest, longest : float or None
        Their length in seconds.
    rate : int or None
        Their sample rate in Hz.
    channels : int or None
        Their number of channels.
    lowest : float or None
        Their score.

    Raises
    ------
    SearchError
        If a number is out of bounds.

    Example
    -------
    >>> Wanted(text="rain", rate=44100).is_filtered, Wanted(text="rain").is_filtered
    (True, False)
    """

    text: str = ""
    without: str = ""
    like: int | None = None
    window: int = 0
    example: str = ""
    words: float = 0.5
    fold: bool = False
    first: int = 0
    k: int = 12
    folder: str | None = None
    format: str | None = None
    shortest: float | None = None
    longest: float | None = None
    rate: int | None = None
    channels: int | None = None
    lowest: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.k <= _MOST_AT_ONCE:
            raise SearchError(f"the number of hits is from 1 to {_MOST_AT_ONCE}")
        if not 0 <= self.first <= _MOST_HITS - self.k:
            raise SearchError(
                f"the first {_MOST_HITS} sounds are listed, and none after: say more "
                "closely what to listen for, or filter"
            )
        if not 0 <= self.words <= 1:
            raise SearchError("the share of the words is from 0 to 1")
        for name in ("shortest", "longest", "lowest"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise SearchError(f"a number is wrong: {name} is {value}")

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Wanted:
        """Reads the parameters of a request, each of its type.

        Arguments
        ---------
        given : mapping
            Names to values; what is empty is not given.

        Returns
        -------
        Wanted

        Raises
        ------
        SearchError
            If a number is none.

        Example
        -------
        >>> Wanted.of({"text": "rain", "k": "20", "fold": "true", "lowest": ""}).k
        20
        """
        words: dict[str, object] = {}
        try:
            for field in fields(cls):
                value = given.get(field.name, "")
                kind = str(field.type).partition(" ")[0]
                if kind == "bool":
                    words[field.name] = value == "true"
                elif value:
                    words[field.name] = _KINDS[kind](value)
        except ValueError as error:
            raise SearchError(f"a number is wrong: {error}") from None
        return cls(**words)

    @property
    def is_filtered(self) -> bool:
        """Whether only some sounds may be found."""
        names = ("folder", "format", "shortest", "longest", "rate", "channels")
        return any(getattr(self, name) is not None for name in names)

    @property
    def needs_headers(self) -> bool:
        """Whether that is by what the files' headers tell."""
        return self.rate is not None or self.channels is not None

    @property
    def has_more(self) -> bool:
        """Whether further hits may be asked for after these."""
        return self.first + self.k < _MOST_HITS
