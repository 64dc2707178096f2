"""What an index says of itself, looked at before it is believed.

An index may come from someone else, and a disk may damage it: its database is data. No
file is opened, written or removed on its word alone.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from clap_sb.search.errors import SearchError, remake
from clap_sb.search.records import ModelFacts

# Names that the parts of an index have, which all lie in its folder.
_PART_NAMES = {
    "vectors": re.compile(r"vectors-\d{1,18}\.f32"),
    "approximate": re.compile(r"approximate-vectors-\d{1,18}-\d{1,18}-\d{1,18}\.faiss"),
}
_MOST_NUMBERS = 2**20  # of a vector


@contextlib.contextmanager
def believed(database: Path) -> Iterator[None]:
    """Takes what cannot be made sense of for damage of the database.

    Arguments
    ---------
    database : Path
        The file, for messages.

    Raises
    ------
    SearchError
        If what is done within comes upon values of another kind than an index has.

    Example
    -------
    >>> with believed(Path("sounds.index", "index.sqlite")):
    ...     json.loads("{")
    Traceback (most recent call last):
    ...
    clap_sb.search.errors.SearchError: sounds.index/index.sqlite holds what no index \
does (Expecting property name enclosed in double quotes: line 1 column 2 (char 1)): it \
is damaged, or made by another program; delete the folder sounds.index, and make it \
again with `clap-sb index FOLDER --checkpoint MODEL --out sounds.index`
    """
    try:
        yield
    except SearchError:
        raise
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        reason = str(error) or type(error).__name__
        raise SearchError(
            f"{database} holds what no index does ({reason}): it is damaged, or made "
            f"by another program; {remake(database.parent)}"
        ) from error


def read_facts(rows: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Reads facts, and sees that they are of the kinds that an index has.

    Arguments
    ---------
    rows : iterable of (str, str)
        Names and values in JSON.

    Returns
    -------
    dict
        ``format`` alone where that is not a whole number, and all else is of no use.

    Raises
    ------
    ValueError, TypeError, KeyError
        If one is of another kind.

    Example
    -------
    >>> read_facts([("format", "3"), ("vectors", '"../../.bashrc"')])["format"]
    Traceback (most recent call last):
    ...
    ValueError: its vectors are said to lie in '../../.bashrc', which is no name of a \
part of an index
    """
    facts = {name: json.loads(value) for name, value in rows}
    for kind, names in _PART_NAMES.items():
        name = facts.get(kind)
        if name is None:
            continue
        if not isinstance(name, str) or not names.fullmatch(name):
            raise ValueError(
                f"its {kind} are said to lie in {name!r}, which is no name of a part "
                "of an index"
            )
    folders = facts.get("folders", [])
    if not isinstance(folders, list) or not all(isinstance(f, str) for f in folders):
        raise ValueError("its folders are no list of names")
    return facts


def read_model(facts: dict[str, Any]) -> ModelFacts:
    """Reads what an index says of its model.

    Arguments
    ---------
    facts : dict
        From :func:`read_facts`.

    Returns
    -------
    ModelFacts

    Raises
    ------
    ValueError, TypeError, KeyError
        If it says nothing of the kind.
    """
    model = ModelFacts(**facts["model"])
    for name, most in (("dim", _MOST_NUMBERS), ("sample_rate", None)):
        _check_count(name, getattr(model, name), most)
    _check_count("clip_samples", model.clip_samples, None)
    words = (model.fingerprint, model.description, model.checkpoint, model.signature)
    if not all(isinstance(word, str) for word in (*words, model.tokenizer or "")):
        raise ValueError("what it says of its model is no text")
    return model


def _check_count(name: str, value: Any, most: int | None) -> None:
    if type(value) is not int or value < 1 or (most is not None and value > most):
        raise ValueError(f"its model's {name} is said to be {value!r}")


def whole_count(number: Any) -> int:
    """Takes a number of what is counted from the database.

    Arguments
    ---------
    number : int
        As it was read.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If it is none.
    """
    if type(number) is not int or number < 0:
        raise ValueError(f"it has {number!r} where it counts")
    return number


def check_no_link(path: Path) -> None:
    """Sees that a part of an index is a file of its own, where there is one.

    What is written to an index from someone else must not land elsewhere.

    Arguments
    ---------
    path : Path
        The part.

    Raises
    ------
    SearchError
        If it is a link.
    """
    if path.is_symlink():
        raise SearchError(
            f"{path} is a link, and an index lies in its folder whole: put the file "
            f"itself there, or {remake(path.parent)}"
        )
