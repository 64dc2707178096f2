"""The queries that re-scoring learns hubs from: training clips, none of the test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from clap_sb.data.manifest import Clip
from clap_sb.data.recordings import recordings_of


@dataclass(frozen=True)
class QueryBank:
    """Training clips with captions, and what was left out of them.

    Arguments
    ---------
    clips : list of Clip
        The clips, without captions that read like one of the test.
    num_shared : int
        Training clips that were left out, since the test has their recording too.
    num_equal : int
        Captions that were left out, since the test has them too.

    Example
    -------
    >>> training = [Clip("a", "a.wav", 1.0, ("Rain.", "A dog"))]
    >>> test = [Clip("a", "test/a.wav", 1.0, ("rain. ",))]
    >>> bank = QueryBank.draw(training, test, size=9, seed=0)
    >>> bank.captions, bank.num_equal, bank.num_shared
    (['A dog'], 1, 0)
    """

    clips: list[Clip]
    num_shared: int
    num_equal: int

    @classmethod
    def draw(
        cls, training: Sequence[Clip], test: Sequence[Clip], size: int, seed: int
    ) -> QueryBank:
        """Draws clips of which none is a recording of the test.

        A recording is known by its source and its file; ids say nothing, since two
        splits may name different sounds alike (Clotho's do).

        Arguments
        ---------
        training : sequence of Clip
            Training clips with captions.
        test : sequence of Clip
            What is tested.
        size : int
            Clips to draw, at most.
        seed : int
            Seed of the draw.

        Returns
        -------
        QueryBank

        Raises
        ------
        ValueError
            If nothing is left for the bank.
        """
        tested = {key for clip in test for key in recordings_of(clip)}
        others = [clip for clip in training if tested.isdisjoint(recordings_of(clip))]
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(others), generator=generator)[:size]
        drawn = [others[index] for index in sorted(order.tolist())]
        asked = {_key(caption) for clip in test for caption in clip.captions}
        kept = [
            replace(c, captions=tuple(t for t in c.captions if _key(t) not in asked))
            for c in drawn
        ]
        bank = [clip for clip in kept if clip.captions]
        if not bank:
            raise ValueError(
                f"the query bank is empty: of {len(training)} training clips, "
                f"{len(training) - len(others)} are recordings of the test, and the "
                "others have no caption that is not one of the test"
            )
        count = sum(len(clip.captions) for clip in drawn)
        num_equal = count - sum(len(clip.captions) for clip in kept)
        return cls(bank, len(training) - len(others), num_equal)

    @property
    def captions(self) -> list[str]:
        """All captions of the bank."""
        return [caption for clip in self.clips for caption in clip.captions]

    def describe(self) -> str:
        """The bank in words, for the protocol card and the terminal."""
        return (
            f"the bank for rescoring: {len(self.captions)} captions of "
            f"{len(self.clips)} training clips; left out are {self.num_shared} "
            "training clips whose recording is in the test, and "
            f"{self.num_equal} captions that read like one of the test"
        )


def _key(caption: str) -> str:
    return " ".join(caption.lower().split()).rstrip(".")
