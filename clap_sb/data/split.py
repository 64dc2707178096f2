"""Splits a set without official splits: by clip, the same way each time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from clap_sb.data.keys import key_of
from clap_sb.data.manifest import Clip

REST = "train"


def split_clips(
    clips: Sequence[Clip], seed: int, shares: Mapping[str, float]
) -> dict[str, list[Clip]]:
    """Splits clips into parts of given shares, and the rest to train on.

    Which part a clip falls into follows from the seed and its id alone, whatever the
    order of the list. All captions of a clip stay together, and so do all clips of one
    recording, where it is known.

    Arguments
    ---------
    clips : sequence of Clip
        The set.
    seed : int
        Seed of the split.
    shares : mapping of str to float
        Share of the clips by part; a part gets one clip at least, none with share 0.

    Returns
    -------
    dict
        From ``train`` and the parts' names to their clips, in the set's order.

    Raises
    ------
    ValueError
        If the shares leave nothing to train on.

    Example
    -------
    >>> clips = [Clip(f"{i}", f"/{i}.wav", 1.0) for i in range(40)]
    >>> parts = split_clips(clips, seed=1, shares={"test": 0.2, "valid": 0.1})
    >>> {name: len(part) for name, part in parts.items()}
    {'train': 28, 'test': 8, 'valid': 4}
    """
    wanted = {
        name: max(1, round(share * len(clips)))
        for name, share in shares.items()
        if share > 0
    }
    sizes = Counter(map(_recording, clips))
    part_of = dict.fromkeys(sorted(sizes, key=lambda name: key_of(seed, name)), REST)
    waiting = iter(part_of)
    for name, count in wanted.items():
        while count > 0 and (recording := next(waiting, None)) is not None:
            part_of[recording] = name
            count -= sizes[recording]
    parts = {
        name: [clip for clip in clips if part_of[_recording(clip)] == name]
        for name in (REST, *shares)
    }
    if not all(parts[name] for name in (REST, *wanted)):
        raise ValueError(
            f"{len(clips)} clips of {len(part_of)} recordings cannot be split into "
            f"{', '.join(wanted)} and something to train on: give more clips, lists of "
            "their own (--valid_csv, --test_csv), or smaller shares"
        )
    return parts


def _recording(clip: Clip) -> str:
    return clip.id if clip.source is None else clip.source
