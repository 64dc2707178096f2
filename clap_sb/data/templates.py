"""Sentences made of labels or keywords, without a model."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from clap_sb.data.keys import generator_for

TEMPLATES = (
    "This is a sound of {}.",
    "The sound of {}.",
    "A recording of {}.",
    "{} can be heard.",
    "Sounds of {} in the recording.",
    "Someone recorded {}.",
    "An audio clip of {}.",
    "{}, recorded nearby.",
    "One can hear {}.",
    "There is {} in this clip.",
)
"""What `sentences` chooses from; the braces take the labels."""


def listed(labels: Sequence[str]) -> str:
    """Puts labels into words; underscores become spaces.

    Arguments
    ---------
    labels : sequence of str
        At least one.

    Returns
    -------
    str

    Example
    -------
    >>> listed(["dog"]), listed(["sea_waves", "wind", "thunder"])
    ('dog', 'sea waves, wind and thunder')
    """
    words = [" ".join(label.replace("_", " ").split()) for label in labels]
    *before, last = words
    return f"{', '.join(before)} and {last}" if before else last


def sentences(
    labels: Sequence[str], count: int = 1, seed: Sequence[object] = ()
) -> tuple[str, ...]:
    """Says in several sentences, no two alike, what labels name.

    The order of the labels is drawn too: a list of keywords has none.

    Arguments
    ---------
    labels : sequence of str
        Labels or keywords of one clip.
    count : int
        How many sentences, at most as many as there are `TEMPLATES`.
    seed : sequence of object
        What the choice follows from, such as a number and a clip's id.

    Returns
    -------
    tuple of str

    Raises
    ------
    ValueError
        If there is no label, or there are not as many templates.

    Example
    -------
    >>> sentences(["sea_waves"], 2, seed=(0, "a"))
    ('Someone recorded sea waves.', 'The sound of sea waves.')
    """
    if not labels:
        raise ValueError("a sentence needs a label or a keyword at least")
    if not 1 <= count <= len(TEMPLATES):
        raise ValueError(
            f"{count} sentences a clip cannot be made of templates; there are "
            f"{len(TEMPLATES)}"
        )
    generator = generator_for("templates", *seed)
    order = torch.randperm(len(TEMPLATES), generator=generator)[:count]
    made = []
    for index in order.tolist():
        mixed = torch.randperm(len(labels), generator=generator).tolist()
        text = TEMPLATES[index].replace("{}", listed([labels[i] for i in mixed]))
        made.append(text[0].upper() + text[1:])
    return tuple(made)
