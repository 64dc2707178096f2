"""What of a clip is heard in evaluation: all of it, or what a model family hears."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from clap_sb.clips import fill, window_starts
from clap_sb.data.keys import generator_for

_DRAWN_BY = "crop rule"


@dataclass(frozen=True)
class CropRule:
    """What of a long clip is heard, and how a short one is filled up.

    Every rule is deterministic. Where a family draws a window at random, each time
    anew, it is drawn here from the clip's id: the same in every run and every set.

    Arguments
    ---------
    name : str
        Name of the rule.
    window : str
        ``all``, ``first``, ``center`` or ``drawn``.
    filling : str, optional
        One of :data:`clap_sb.clips.FILL_RULES`; None for the tower's own way.
    fuses : bool
        Whether a tower with feature fusion gets long clips whole, and hears its views.
    description : str
        The rule in words, for the protocol card.

    Example
    -------
    >>> rule = CropRule("first", "first", None, False, "the first window")
    >>> [part.tolist() for part in rule.cut(torch.arange(5.0), 3, "a", False)]
    [[0.0, 1.0, 2.0]]
    """

    name: str
    window: str
    filling: str | None
    fuses: bool
    description: str

    def cut(
        self, wav: torch.Tensor, size: int, clip_id: str, takes_whole_clips: bool
    ) -> list[torch.Tensor]:
        """Cuts a clip into what is heard of it.

        Arguments
        ---------
        wav : torch.Tensor
            ``[time]``.
        size : int
            Samples in a window.
        clip_id : str
            The clip's id, which a drawn window follows from.
        takes_whole_clips : bool
            Whether the tower has feature fusion.

        Returns
        -------
        list of torch.Tensor
            Windows, ``[time]`` each.
        """
        if len(wav) > size and not (takes_whole_clips and self.fuses):
            starts = self._starts(len(wav), size, clip_id)
            return [wav[start : start + size] for start in starts]
        if self.filling is None or len(wav) >= size:
            return [wav]
        length = torch.tensor([len(wav)])
        return [fill(wav.unsqueeze(0), length, size, self.filling)[0]]

    def _starts(self, length: int, size: int, clip_id: str) -> list[int]:
        overflow = length - size
        if self.window == "all":
            return window_starts(length, size)
        if self.window == "drawn":
            generator = generator_for(_DRAWN_BY, clip_id)
            return [int(torch.randint(overflow + 1, (1,), generator=generator))]
        return [0 if self.window == "first" else overflow // 2]

    def describe(self, takes_whole_clips: bool) -> str:
        """The rule in words.

        Arguments
        ---------
        takes_whole_clips : bool
            Whether the tower has feature fusion.

        Returns
        -------
        str
        """
        if takes_whole_clips and self.fuses:
            return f"{self.name}: {_FUSED}"
        return f"{self.name}: {self.description}"


_FUSED = "fused views (shrunk whole, and the middle chunk of each third)"

CROP_RULES = {
    rule.name: rule
    for rule in (
        CropRule(
            "whole",
            *("all", None, True),
            "windows, hop = window, last one aligned to the end, mean",
        ),
        CropRule("first", "first", None, False, "the first window alone"),
        CropRule("center", "center", None, False, "the middle window alone"),
        CropRule(
            "laion",
            *("drawn", "repeatpad", True),
            "one window, drawn by the clip's id; short: repeated, then zeros",
        ),
        CropRule(
            "msclap",
            *("drawn", "repeat", False),
            "one window, drawn by the clip's id; short: repeated and cut",
        ),
        CropRule(
            "wavcaps", "first", "pad", False, "the first window; short: zeros after it"
        ),
        CropRule(
            "mteb",
            *("first", "repeatpad", True),
            "the first window; short: repeated, then zeros",
        ),
    )
}


def crop_rule(name: str) -> CropRule:
    """Finds a rule.

    Arguments
    ---------
    name : str
        One of :data:`CROP_RULES`.

    Returns
    -------
    CropRule

    Raises
    ------
    ValueError
        If there is no such rule.

    Example
    -------
    >>> crop_rule("whole").describe(takes_whole_clips=False)
    'whole: windows, hop = window, last one aligned to the end, mean'
    """
    if name not in CROP_RULES:
        raise ValueError(f"crop_rule is one of {', '.join(CROP_RULES)}, not {name!r}")
    return CROP_RULES[name]
