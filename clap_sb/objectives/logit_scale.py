"""The learned temperature."""

from __future__ import annotations

import math

import torch
from torch import nn


class LogitScale(nn.Module):
    """Factor of the similarities, learned in the log domain (CLIP, 2103.00020).

    LAION-CLAP starts at ``ln(1 / 0.07)`` and clamps to ``[0, ln 100]`` after every
    optimizer step; the temperature is ``1 / scale``.

    Arguments
    ---------
    temperature : float
        Temperature at the start.
    max_scale : float
        Upper limit of the scale; the lower one is 1.

    Example
    -------
    >>> logit_scale = LogitScale()
    >>> round(float(logit_scale()), 4), round(float(logit_scale.log_scale), 6)
    (14.2857, 2.65926)
    """

    def __init__(self, temperature: float = 0.07, max_scale: float = 100.0):
        super().__init__()
        self.max_scale = max_scale
        self.log_scale = nn.Parameter(torch.tensor(math.log(1.0 / temperature)))

    def forward(self) -> torch.Tensor:
        """Scale, a float32 scalar."""
        return self.log_scale.float().exp()

    @torch.no_grad()
    def clamp_(self) -> None:
        """Brings the scale back into ``[1, max_scale]``; call it after each step.

        Example
        -------
        >>> logit_scale = LogitScale(temperature=1e-6)
        >>> logit_scale.clamp_()
        >>> round(float(logit_scale()), 3)
        100.0
        """
        self.log_scale.clamp_(0.0, math.log(self.max_scale))
