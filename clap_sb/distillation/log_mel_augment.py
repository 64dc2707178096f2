"""What is done to a lesson each time that it is heard, for the student alone."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

_KNOTS = 5  # of the curve that bands are raised and lowered by


class LogMelAugment(nn.Module):
    """Turns a log-mel round in time, and changes its level and its colour.

    The teacher's embedding stays that of the lesson: these are changes that a good
    embedding takes little notice of. Masks are the tower's own (``spec_augment``). In
    eval mode nothing is done.

    Arguments
    ---------
    gain : float
        Most change of level, dB.
    tilt : float
        Standard deviation of what bands are raised by, dB: a curve over all of them.
    rolled : bool
        Whether frames are turned round.

    Example
    -------
    >>> log_mel = torch.randn(2, 1, 100, 64)
    >>> augment = LogMelAugment()
    >>> torch.equal(augment(log_mel), log_mel)
    False
    >>> torch.equal(augment.eval()(log_mel), log_mel)
    True
    """

    def __init__(self, gain: float = 6.0, tilt: float = 3.0, rolled: bool = True):
        super().__init__()
        self.gain = gain
        self.tilt = tilt
        self.rolled = rolled

    def forward(self, log_mel: torch.Tensor) -> torch.Tensor:
        """Changes a batch.

        Arguments
        ---------
        log_mel : torch.Tensor
            ``[batch, 1, frames, n_mels]``, dB.

        Returns
        -------
        torch.Tensor
            The same shape.
        """
        if not self.training:
            return log_mel
        batch, _, frames, mels = log_mel.shape
        device = log_mel.device
        if self.rolled:
            starts = torch.randint(frames, (batch, 1), device=device)
            order = (torch.arange(frames, device=device) + starts) % frames
            log_mel = log_mel.gather(2, order[:, None, :, None].expand_as(log_mel))
        level = self.gain * (2 * torch.rand(batch, 1, 1, 1, device=device) - 1)
        knots = self.tilt * torch.randn(batch, 1, _KNOTS, device=device)
        curve = F.interpolate(knots, size=mels, mode="linear", align_corners=True)
        return log_mel + level + curve[:, :, None]
