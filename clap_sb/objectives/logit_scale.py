"""From similarities to logits: the learned temperature, and a bias if asked for."""

from __future__ import annotations

import math

import torch
from torch import nn


class LogitScale(nn.Module):
    """Makes logits of similarities, by a scale and a bias that are learned.

    The scale is learned in the log domain (CLIP, 2103.00020). LAION-CLAP starts at
    ``ln(1 / 0.07)`` and clamps to ``[0, ln 100]`` after every optimizer step; the
    temperature is ``1 / scale``. The bias is SigLIP's (2303.15343), whose loss asks of
    each pair alone whether it matches; it starts there at -10, with a temperature of
    0.1. A softmax does not see it.

    It is a part of the model: saved, exported, moved and stepped with the towers.

    Arguments
    ---------
    temperature : float
        Temperature at the start.
    max_scale : float
        Upper limit of the scale; the lower one is 1.
    bias : float, optional
        Bias at the start; none unless given, and then none is in any checkpoint.

    Example
    -------
    >>> logit_scale = LogitScale()
    >>> round(logit_scale.scale().item(), 4), round(logit_scale.log_scale.item(), 6)
    (14.2857, 2.65926)
    >>> LogitScale(temperature=0.1, bias=-10.0)(torch.ones(2)).tolist()
    [0.0, 0.0]
    >>> list(logit_scale.state_dict()), list(LogitScale(bias=0.0).state_dict())
    (['log_scale'], ['log_scale', 'bias'])
    """

    def __init__(
        self,
        temperature: float = 0.07,
        max_scale: float = 100.0,
        bias: float | None = None,
    ):
        super().__init__()
        self.max_scale = max_scale
        self.log_scale = nn.Parameter(torch.tensor(math.log(1.0 / temperature)))
        self.bias = None if bias is None else nn.Parameter(torch.tensor(float(bias)))

    def scale(self) -> torch.Tensor:
        """Factor of the similarities, a float32 scalar."""
        return self.log_scale.float().exp()

    def forward(self, similarity: torch.Tensor) -> torch.Tensor:
        """Makes logits.

        Arguments
        ---------
        similarity : torch.Tensor
            Cosines, of any shape, on any device.

        Returns
        -------
        torch.Tensor
            ``scale * similarity + bias``, of the same shape, where the cosines are.
        """
        scale = self.scale().to(similarity.device)
        return self._biased(scale * similarity)

    def of_pairs(self, audio: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Logits of each clip of a batch with each caption of it.

        What :meth:`forward` makes of their cosines but for rounding: it is the
        embeddings that are scaled, which are fewer numbers than the cosines of a large
        batch. In float32 also under autocast.

        Arguments
        ---------
        audio : torch.Tensor
            Unit-norm embeddings, ``[batch, dim]``.
        text : torch.Tensor
            Unit-norm embeddings of the matching captions, ``[batch, dim]``.

        Returns
        -------
        torch.Tensor
            ``[batch, batch]``, float32; matching pairs on the diagonal.

        Raises
        ------
        ValueError
            If the two batches are not of one shape.

        Example
        -------
        >>> LogitScale(0.5, bias=-1.0).of_pairs(torch.eye(2), torch.eye(2)).tolist()
        [[1.0, -1.0], [-1.0, 1.0]]
        """
        if audio.shape != text.shape:
            raise ValueError(
                "row i of audio matches row i of text, so both must have one shape: "
                f"got {tuple(audio.shape)} and {tuple(text.shape)}"
            )
        scale = self.scale().to(audio.device)
        with torch.autocast(device_type=audio.device.type, enabled=False):
            return self._biased(scale * audio.float() @ text.float().T)

    def _biased(self, scaled: torch.Tensor) -> torch.Tensor:
        if self.bias is None:
            return scaled
        return scaled + self.bias.float().to(scaled.device)

    @torch.no_grad()
    def clamp_(self) -> None:
        """Brings the scale back into ``[1, max_scale]``; call it after each step.

        Example
        -------
        >>> logit_scale = LogitScale(temperature=1e-6)
        >>> logit_scale.clamp_()
        >>> round(logit_scale.scale().item(), 3)
        100.0
        """
        self.log_scale.clamp_(0.0, math.log(self.max_scale))
