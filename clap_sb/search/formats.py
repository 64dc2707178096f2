"""Hits as a table, as plain data, as a playlist."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clap_sb.data.printable import printable
from clap_sb.search.hits import Hit


def clock(seconds: float) -> str:
    """A time as players show it.

    Arguments
    ---------
    seconds : float
        The time.

    Returns
    -------
    str

    Example
    -------
    >>> clock(83.25), clock(3723)
    ('1:23.2', '1:02:03.0')
    """
    tenths = int(seconds * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    rest = f"{tenths // 10:02}.{tenths % 10}"
    return f"{hours}:{minutes:02}:{rest}" if hours else f"{minutes}:{rest}"


def as_table(hits: Sequence[Hit]) -> str:
    """Lines to read.

    Arguments
    ---------
    hits : sequence of Hit
        What was found.

    Returns
    -------
    str

    Example
    -------
    >>> print(as_table([Hit(0.512, "/sounds/a.wav", 0.0, 10.0, 25.0, 1, 0, 1)]))
     rank  score   start      end  file
        1  0.512  0:00.0   0:10.0  /sounds/a.wav
    """
    lines = [f"{'rank':>5}  {'score':>5}  {'start':>6}  {'end':>7}  file"]
    for rank, hit in enumerate(hits, start=1):
        lines.append(
            f"{rank:>5}  {hit.score:5.3f}  {clock(hit.start):>6}  "
            f"{clock(hit.end):>7}  {printable(hit.path)}"
        )
        lines += [f"{'same:':>29}  {printable(path)}" for path in hit.copies]
        lines += [f"{'similar:':>29}  {printable(path)}" for path in hit.similar]
    return "\n".join(lines)


def as_data(hit: Hit, score: str = "cosine") -> dict[str, Any]:
    """A hit for JSON: the fields of :class:`Hit`, and of those folded into it.

    Arguments
    ---------
    hit : Hit
        What was found.
    score : str
        What its score is called.

    Returns
    -------
    dict

    Example
    -------
    >>> as_data(Hit(0.5, "a.wav", 0.0, 10.0, 25.0, 1, 0, 1))["cosine"]
    0.5
    """
    fields = dict(vars(hit))
    fields["folded"] = [as_data(other, score) for other in hit.folded]
    return {"path": fields.pop("path"), score: fields.pop("score"), **fields}


def as_m3u(hits: Sequence[Hit]) -> str:
    """A playlist; VLC and players of its kind begin at the hit and end with it.

    Files go by their names as they are, which need not be valid Unicode: write it with
    `os.fsencode`. A name with a line break, which no line can hold, goes by its URI.

    Arguments
    ---------
    hits : sequence of Hit
        What was found.

    Returns
    -------
    str

    Example
    -------
    >>> print(as_m3u([Hit(0.5, "/sounds/a.wav", 10.0, 20.0, 25.0, 1, 0, 1)]))
    #EXTM3U
    #EXTVLCOPT:start-time=10.000
    #EXTVLCOPT:stop-time=20.000
    #EXTINF:10,a.wav
    /sounds/a.wav
    """
    lines = ["#EXTM3U"]
    for hit in hits:
        name = " ".join(os.path.basename(hit.path).splitlines())
        lines.append(f"#EXTVLCOPT:start-time={hit.start:.3f}")
        lines.append(f"#EXTVLCOPT:stop-time={hit.end:.3f}")
        lines.append(f"#EXTINF:{hit.end - hit.start:.0f},{name}")
        broken = "\n" in hit.path or "\r" in hit.path
        lines.append(Path(hit.path).as_uri() if broken else hit.path)
    return "\n".join(lines)
