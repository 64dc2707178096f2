"""SpecAugment (Park et al., 2019) in the form that LAION-CLAP and PANNs train with."""

from __future__ import annotations

import torch


class SpecAugment(torch.nn.Module):
    """Zeroes random stripes of frames and of mel bands, in training mode only.

    Each clip draws its own stripes: the width uniformly in ``[0, width)``, the
    position uniformly among those that fit (torchlibrosa's ``SpecAugmentation``).
    All clips are masked by one multiplication, without a loop over the batch.

    Arguments
    ---------
    time_width : int
        Upper bound of a time stripe's width, frames.
    time_stripes : int
        Time stripes a clip.
    freq_width : int
        Upper bound of a frequency stripe's width, bands.
    freq_stripes : int
        Frequency stripes a clip.

    Example
    -------
    >>> augment = SpecAugment()
    >>> log_mel = torch.ones(4, 1, 1001, 64)
    >>> bool((augment(log_mel) == 0).any()), bool((augment.eval()(log_mel) == 0).any())
    (True, False)
    """

    def __init__(
        self,
        time_width: int = 64,
        time_stripes: int = 2,
        freq_width: int = 8,
        freq_stripes: int = 2,
    ):
        super().__init__()
        self.time_width = time_width
        self.time_stripes = time_stripes
        self.freq_width = freq_width
        self.freq_stripes = freq_stripes

    def forward(self, log_mel: torch.Tensor) -> torch.Tensor:
        """Masks a batch.

        Arguments
        ---------
        log_mel : torch.Tensor
            ``[batch, channels, frames, mels]``, normalised so that 0 is the mean.

        Returns
        -------
        torch.Tensor
            Same shape; the input itself in eval mode.
        """
        if not self.training:
            return log_mel
        batch, _, frames, mels = log_mel.shape
        device = log_mel.device
        in_time = _stripes(batch, frames, self.time_width, self.time_stripes, device)
        in_freq = _stripes(batch, mels, self.freq_width, self.freq_stripes, device)
        dropped = in_time[:, None, :, None] | in_freq[:, None, None, :]
        return log_mel.masked_fill(dropped, 0.0)


def _stripes(
    batch: int, size: int, width: int, stripes: int, device: torch.device
) -> torch.Tensor:
    """Draws stripes: ``[batch, size]``, True inside a stripe."""
    drawn = torch.rand(2, batch, stripes, 1, device=device)
    widths = (drawn[0] * min(width, size)).floor()
    starts = (drawn[1] * (size - widths)).floor()
    position = torch.arange(size, device=device)
    return ((position >= starts) & (position < starts + widths)).any(dim=1)
