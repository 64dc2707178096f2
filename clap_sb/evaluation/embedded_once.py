"""Embeddings that were made already: protocols with the same crop rule share them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clap_sb.data.manifest import Clip
from clap_sb.evaluation.embedding import Embedded

Asked = Mapping[tuple[str, str], set[str]]


class EmbeddedOnce:
    """Remembers what was embedded, by the rule that it was heard by.

    Example
    -------
    >>> import torch
    >>> clips = [Clip(name, f"{name}.wav", 1.0) for name in "ab"]
    >>> once = EmbeddedOnce()
    >>> once.keep(clips, "whole", Embedded(clips, torch.eye(2)))
    >>> once.find(clips[1:], "whole").audio
    tensor([[0., 1.]])
    >>> once.find(clips[1:], "first") is None
    True
    """

    def __init__(self):
        self._known: dict[str, list[tuple[Asked, Embedded]]] = {}

    def keep(self, clips: Sequence[Clip], rule: str, embedded: Embedded) -> None:
        """Remembers.

        Arguments
        ---------
        clips : sequence of Clip
            What was to be embedded; some may have turned out unreadable.
        rule : str
            How they were heard, and whether their captions were read.
        embedded : Embedded
            What came of it.
        """
        self._known.setdefault(rule, []).append((_asked(clips), embedded))

    def find(self, clips: Sequence[Clip], rule: str) -> Embedded | None:
        """Finds the embeddings of some clips.

        Arguments
        ---------
        clips : sequence of Clip
            Clips.
        rule : str
            As in :meth:`keep`.

        Returns
        -------
        Embedded or None
            None if one of the clips, or of their captions, is not known.
        """
        asked = _asked(clips)
        for known, embedded in self._known.get(rule, []):
            if asked.keys() <= known.keys() and all(
                captions <= known[name] for name, captions in asked.items()
            ):
                return embedded.part(clips)
        return None


def _asked(clips: Sequence[Clip]) -> Asked:
    return {(clip.id, clip.path): set(clip.captions) for clip in clips}
