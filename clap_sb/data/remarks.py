"""What is worth telling about clips that can be used: the list of it, in words."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clap_sb.data.manifest import in_place
from clap_sb.data.printable import printable
from clap_sb.data.write_rows import write_rows

logger = logging.getLogger(__name__)

_SHOWN = 3


@dataclass(frozen=True)
class Remark:
    """A row of the list of remarks.

    Arguments
    ---------
    id : str
        Name of the clip.
    path : str
        Its file.
    remark : str
        What is worth telling about it, in a sentence.

    Example
    -------
    >>> Remark("abc_30", "/audio/abc.wav", "its channels cancel").remark
    'its channels cancel'
    """

    id: str
    path: str
    remark: str


def tell_remarks(name: str, remarks: Sequence[Remark], path: Path | None) -> None:
    """Logs how many there are and the first ones, and writes all into a list.

    Arguments
    ---------
    name : str
        What the clips belong to.
    remarks : sequence of Remark
        May be empty: then a list that was written before is removed.
    path : Path or None
        The list, a CSV file; nothing is written if None.

    Example
    -------
    >>> path = getfixture("tmp_path") / "test_remarks.csv"
    >>> tell_remarks("test", [Remark("a", "/a.wav", "its channels cancel")], path)
    >>> path.read_text().splitlines()
    ['id,path,remark', 'a,/a.wav,its channels cancel']
    """
    if path is not None:
        write_rows(path, remarks)
    if not remarks:
        return
    clips = len({remark.id for remark in remarks})
    shown = [f"{remark.path}: {remark.remark}" for remark in remarks[:_SHOWN]]
    logger.warning(
        "%s: there is something to tell of %d clips, such as %s%s",
        *(name, clips, printable("; ".join(shown))),
        f"; all of it is listed in {in_place(path)}" if path is not None else "",
    )
