"""What stands in for a text tower where a checkpoint holds an audio tower alone."""

from __future__ import annotations

from typing import Any

from torch import nn


class NoTextTower(nn.Module):
    """Raises when it is to embed text.

    Example
    -------
    >>> NoTextTower()(["a dog"])
    Traceback (most recent call last):
    ...
    ValueError: this model is an audio tower alone: it cannot embed text
    """

    def forward(self, captions: Any) -> None:
        """Raises, since there is no tower."""
        raise ValueError("this model is an audio tower alone: it cannot embed text")
