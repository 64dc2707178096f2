"""Clips that can be trained on or retrieved: those with a caption."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from clap_sb.data.manifest import Clip

logger = logging.getLogger(__name__)


def captioned_only(clips: Sequence[Clip], name: str) -> list[Clip]:
    """Leaves out the clips without a caption, and warns how many they are.

    Arguments
    ---------
    clips : sequence of Clip
        Clips; some may have keywords or a label alone.
    name : str
        What messages call them.

    Returns
    -------
    list of Clip

    Raises
    ------
    ValueError
        If there are clips, and none has a caption.

    Example
    -------
    >>> clips = [Clip("a", "/a.wav", 5.0, ("Rain",)), Clip("b", "/b.wav", 5.0)]
    >>> [clip.id for clip in captioned_only(clips, "my.csv")]
    ['a']
    """
    kept = [clip for clip in clips if clip.captions]
    if clips and not kept:
        raise ValueError(
            f"{name}: not one of {len(clips)} clips has a caption; recipes that have "
            "the setting make some of keywords and labels: --keyword_captions templates"
        )
    if len(kept) < len(clips):
        first = next(clip.id for clip in clips if not clip.captions)
        logger.warning(
            "%s: %d of %d clips have no caption and are left out, such as %s",
            *(name, len(clips) - len(kept), len(clips), first),
        )
    return kept
