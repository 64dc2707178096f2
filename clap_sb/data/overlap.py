"""Recordings that are trained on and evaluated with: found by where they come from."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from clap_sb.data.csv_rows import read_rows
from clap_sb.data.manifest import Clip
from clap_sb.data.recordings import ID_COLUMNS, recordings_of, sources_in


@dataclass(frozen=True)
class Overlap:
    """A training clip and an evaluation clip of one recording.

    Arguments
    ---------
    recording : str
        ``youtube:<id>``, ``freesound:<id>`` or ``file:<path>``.
    train_set, train_id : str
        Whose the training clip is, and its id there.
    evaluation_set, evaluation_id : str
        The same of the evaluation clip.
    """

    recording: str
    train_set: str
    train_id: str
    evaluation_set: str
    evaluation_id: str


def find_overlaps(
    train: Mapping[str, Sequence[Clip]], evaluation: Mapping[str, Sequence[Clip]]
) -> list[Overlap]:
    """Finds the training clips whose recording an evaluation set holds too.

    Two clips count as one recording if they come from the same YouTube video or the
    same Freesound sound, whatever part of it they are, or if they are the same file,
    by whatever path or link.

    Arguments
    ---------
    train : mapping of str to sequence of Clip
        Training clips by the name of their set.
    evaluation : mapping of str to sequence of Clip
        Evaluation clips by the name of their set and split.

    Returns
    -------
    list of Overlap
        One for each pair of clips, in the order of the training clips.

    Example
    -------
    >>> train = {"A": [Clip("a", "/a.wav", 5.0, source="freesound:12")]}
    >>> test = {"B test": [Clip("b", "/b.wav", 9.0, source="freesound:12")]}
    >>> [(found.train_id, found.evaluation_id) for found in find_overlaps(train, test)]
    [('a', 'b')]
    """
    places = defaultdict(list)
    for name, clips in evaluation.items():
        for clip in clips:
            for key in recordings_of(clip):
                places[key].append((name, clip.id))
    found: dict[tuple[str, ...], Overlap] = {}
    for name, clips in train.items():
        for clip in clips:
            for key, recording in recordings_of(clip).items():
                for place in places[key]:
                    overlap = Overlap(recording, name, clip.id, *place)
                    found.setdefault((name, clip.id, *place), overlap)
    return list(found.values())


def read_recordings(path: str | os.PathLike) -> list[Clip]:
    """Reads a list of recordings that are to be recognised; no audio is needed.

    Arguments
    ---------
    path : str or path-like
        A CSV file with a column ``youtube_id`` or ``freesound_id``, or both.

    Returns
    -------
    list of Clip
        One for each id, without audio.

    Raises
    ------
    ValueError
        If there is neither column, no id, or something that is none; the line is named.

    Example
    -------
    >>> path = getfixture("tmp_path") / "test_ids.csv"
    >>> _ = path.write_text("freesound_id,class\\n12,dog\\n,cat\\n")
    >>> [clip.source for clip in read_recordings(path)]
    ['freesound:12']
    """
    rows = read_rows(path, (), tuple(ID_COLUMNS))
    clips = [
        Clip(source.partition(":")[2], "", 0.0, source=source)
        for row in rows
        for source in sources_in(row)
    ]
    if not clips:
        raise ValueError(
            f"{path} names no recording: it needs ids in a column "
            f"{' or '.join(ID_COLUMNS)}."
        )
    return clips


def tell_overlaps(overlaps: Iterable[Overlap]) -> list[str]:
    """Counts the overlaps, one line for each pair of sets.

    Arguments
    ---------
    overlaps : iterable of Overlap
        What was found.

    Returns
    -------
    list of str

    Example
    -------
    >>> tell_overlaps([Overlap("freesound:12", "A", "a", "B test", "b")])
    ['A and B test share 1 recordings (1 training clips, 1 evaluation clips)']
    """
    pairs = defaultdict(list)
    for overlap in overlaps:
        pairs[overlap.train_set, overlap.evaluation_set].append(overlap)
    lines = []
    for (train, evaluation), shared in pairs.items():
        recordings = len({overlap.recording for overlap in shared})
        trained_on = len({overlap.train_id for overlap in shared})
        evaluated = len({overlap.evaluation_id for overlap in shared})
        lines.append(
            f"{train} and {evaluation} share {recordings} recordings "
            f"({trained_on} training clips, {evaluated} evaluation clips)"
        )
    return lines
