"""MobileNetV3 (Howard et al., 1905.02244) over log-mels: a small audio tower.

The architecture of EfficientAT (Schmid et al., 2211.04772), which taught it AudioSet by
a transformer. Layers and parameters have EfficientAT's names.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from clap_sb.encoders.audio_tower import AudioTower
from clap_sb.encoders.spec_augment import SpecAugment
from clap_sb.features import LogMel

_EPS = 0.001  # of batch norm
_STEM = 16  # channels of the first convolution
_LAST = 6  # channels of the last convolution, over those before
_SQUEEZE = 4


class Row(NamedTuple):
    """A row of the paper's tables.

    Arguments
    ---------
    kernel : int
        Side of the depthwise kernel.
    expanded : int
        Channels in the block.
    outputs : int
        Channels that it gives.
    squeezes : bool
        Whether channels are weighed by squeeze and excitation.
    activation : str
        ``RE`` for ReLU, ``HS`` for hard swish.
    stride : int
        Of the depthwise convolution.
    """

    kernel: int
    expanded: int
    outputs: int
    squeezes: bool
    activation: str
    stride: int


TABLES = {
    "large": (
        Row(3, 16, 16, False, "RE", 1),
        Row(3, 64, 24, False, "RE", 2),
        Row(3, 72, 24, False, "RE", 1),
        Row(5, 72, 40, True, "RE", 2),
        Row(5, 120, 40, True, "RE", 1),
        Row(5, 120, 40, True, "RE", 1),
        Row(3, 240, 80, False, "HS", 2),
        Row(3, 200, 80, False, "HS", 1),
        Row(3, 184, 80, False, "HS", 1),
        Row(3, 184, 80, False, "HS", 1),
        Row(3, 480, 112, True, "HS", 1),
        Row(3, 672, 112, True, "HS", 1),
        Row(5, 672, 160, True, "HS", 2),
        Row(5, 960, 160, True, "HS", 1),
        Row(5, 960, 160, True, "HS", 1),
    ),
    "small": (
        Row(3, 16, 16, True, "RE", 2),
        Row(3, 72, 24, False, "RE", 2),
        Row(3, 88, 24, False, "RE", 1),
        Row(5, 96, 40, True, "HS", 2),
        Row(5, 240, 40, True, "HS", 1),
        Row(5, 240, 40, True, "HS", 1),
        Row(5, 120, 48, True, "HS", 1),
        Row(5, 144, 48, True, "HS", 1),
        Row(5, 288, 96, True, "HS", 2),
        Row(5, 576, 96, True, "HS", 1),
        Row(5, 576, 96, True, "HS", 1),
    ),
}
"""Tables 1 and 2 of 1905.02244."""


class ConvNorm(nn.Sequential):
    """A convolution, batch norm, and an activation.

    In eval mode the norm is folded into the convolution as it is called: the same
    numbers, but for rounding, without a pass over the map. The weights stay as they
    are, and so does what is saved.

    Arguments
    ---------
    inputs : int
        Channels of the input.
    outputs : int
        Channels of the result.
    kernel : int
        Side of the kernel.
    stride : int
        Stride.
    groups : int
        Groups of channels; as many as there are for a depthwise convolution.
    activation : nn.Module, optional
        What follows; nothing unless given.

    Example
    -------
    >>> ConvNorm(1, 16, 3, stride=2)(torch.randn(2, 1, 101, 64)).shape
    torch.Size([2, 16, 51, 32])
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        activation: nn.Module | None = None,
    ):
        padding = (kernel - 1) // 2
        layers = [
            nn.Conv2d(
                inputs, outputs, kernel, stride, padding, groups=groups, bias=False
            ),
            nn.BatchNorm2d(outputs, eps=_EPS),
        ]
        super().__init__(*layers, *([] if activation is None else [activation]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, inputs, frames, mels]`` to ``[batch, outputs, frames', mels']``."""
        conv, norm = self[0], self[1]
        if norm.training:
            return super().forward(x)
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        weight = conv.weight * scale[:, None, None, None]
        bias = norm.bias - norm.running_mean * scale
        x = F.conv2d(x, weight, bias, conv.stride, conv.padding, groups=conv.groups)
        return self[2](x) if len(self) > 2 else x


class SqueezeExcitation(nn.Module):
    """Weighs channels by what is in all of them (Hu et al., 1709.01507).

    Arguments
    ---------
    channels : int
        Channels.

    Example
    -------
    >>> SqueezeExcitation(72)(torch.randn(2, 72, 13, 8)).shape
    torch.Size([2, 72, 13, 8])
    """

    def __init__(self, channels: int):
        super().__init__()
        squeezed = in_eights(channels // _SQUEEZE)
        fc1, fc2 = nn.Linear(channels, squeezed), nn.Linear(squeezed, channels)
        # EfficientAT has room for one each for channels, bands and frames
        self.conc_se_layers = nn.ModuleList([nn.ModuleDict({"fc1": fc1, "fc2": fc2})])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, channels, frames, mels]`` to the same shape."""
        layer = self.conc_se_layers[0]
        squeezed = F.relu(layer["fc1"](x.mean((2, 3))))
        return x * torch.sigmoid(layer["fc2"](squeezed))[:, :, None, None]


class InvertedResidual(nn.Module):
    """Widens, convolves each channel by itself, weighs the channels, and narrows.

    Arguments
    ---------
    inputs : int
        Channels of the input.
    row : Row
        The rest; with channels as they are.

    Example
    -------
    >>> block = InvertedResidual(24, Row(5, 72, 40, True, "RE", 2))
    >>> block(torch.randn(2, 24, 26, 16)).shape
    torch.Size([2, 40, 13, 8])
    """

    def __init__(self, inputs: int, row: Row):
        super().__init__()
        kind = nn.Hardswish if row.activation == "HS" else nn.ReLU
        width, layers = row.expanded, []
        if width != inputs:
            layers.append(ConvNorm(inputs, width, activation=kind(inplace=True)))
        depthwise = ConvNorm(
            width, width, row.kernel, row.stride, width, kind(inplace=True)
        )
        layers.append(depthwise)
        if row.squeezes:
            layers.append(SqueezeExcitation(width))
        layers.append(ConvNorm(width, row.outputs))
        self.block = nn.Sequential(*layers)
        self.adds = row.stride == 1 and inputs == row.outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, inputs, frames, mels]`` to ``[batch, outputs, frames', mels']``."""
        return x + self.block(x) if self.adds else self.block(x)


class MobileNetV3(AudioTower):
    """Waveforms to one embedding a clip: the mean of the last map.

    What is done with short and long clips: see
    :class:`~clap_sb.encoders.audio_tower.AudioTower`. Squeezed channels are weighed by
    a sigmoid, as in EfficientAT; the paper has a hard one.

    Arguments
    ---------
    log_mel : LogMel
        Front end.
    clip_samples : int
        Samples in a window.
    padding : str
        How short clips are filled up, see :func:`clap_sb.clips.fill`.
    table : str
        ``large`` or ``small``, of :data:`TABLES`.
    width : float
        What the table's channels are multiplied by; they stay multiples of 8.
    spec_augment : SpecAugment, optional
        Masking in training mode; None for none.
    gradient_checkpointing : bool
        Recompute each block in the backward pass: less memory, a third more time.
    freeze : bool
        Keep all parameters and batch statistics as they are.

    Raises
    ------
    ValueError
        If there is no such table, or ``width`` is not above 0.

    Example
    -------
    >>> tower = MobileNetV3(LogMel(), clip_samples=48000, table="small", width=0.25)
    >>> tower.eval()(torch.randn(2, 48000), torch.tensor([1.0, 0.5])).shape
    torch.Size([2, 144])
    """

    def __init__(
        self,
        log_mel: LogMel,
        clip_samples: int = 160000,
        padding: str = "repeatpad",
        table: str = "large",
        width: float = 1.0,
        spec_augment: SpecAugment | None = None,
        gradient_checkpointing: bool = False,
        freeze: bool = False,
    ):
        if table not in TABLES or not width > 0:
            raise ValueError(
                f"table is one of {list(TABLES)}, and width above 0, not {table!r} and "
                f"{width}"
            )
        rows = [widened(row, width) for row in TABLES[table]]
        last = _LAST * rows[-1].outputs
        super().__init__(
            log_mel,
            clip_samples,
            embedding_dim=last,
            padding=padding,
            spec_augment=spec_augment,
            freeze=freeze,
        )
        self.gradient_checkpointing = gradient_checkpointing
        inputs = in_eights(_STEM * width)
        layers: list[nn.Module] = [
            ConvNorm(1, inputs, 3, 2, activation=nn.Hardswish(inplace=True))
        ]
        for row in rows:
            layers.append(InvertedResidual(inputs, row))
            inputs = row.outputs
        layers.append(ConvNorm(inputs, last, activation=nn.Hardswish(inplace=True)))
        self.features = nn.Sequential(*layers)
        self.features.apply(_initialise)
        # as the maps lie: a step of training takes two thirds of the time on a CPU
        self.features.to(memory_format=torch.channels_last)
        self.freeze_if_asked()

    def embed_log_mel(
        self, log_mel: torch.Tensor, longer: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Embeds log-mels, ``[batch, 1, frames, n_mels]``; see the base."""
        # channels last: a third faster on a CPU
        x = self.normalise(log_mel).contiguous(memory_format=torch.channels_last)
        for layer in self.features:
            if self.gradient_checkpointing and self.training:
                x = checkpoint(layer, x, use_reentrant=False)
            else:
                x = layer(x)
        return x.mean((2, 3))


def in_eights(channels: float) -> int:
    """The multiple of 8 that is nearest, and at least nine tenths of what is asked for.

    Arguments
    ---------
    channels : float
        Channels.

    Returns
    -------
    int
        8 at least.

    Example
    -------
    >>> [in_eights(channels) for channels in (1, 18, 20, 92)]
    [8, 24, 24, 96]
    """
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def widened(row: Row, width: float) -> Row:
    """A row with its channels multiplied.

    Arguments
    ---------
    row : Row
        As the paper has it.
    width : float
        Factor.

    Returns
    -------
    Row

    Example
    -------
    >>> widened(Row(5, 72, 40, True, "RE", 2), 0.5)[:3]
    (5, 40, 24)
    """
    return row._replace(
        expanded=in_eights(row.expanded * width), outputs=in_eights(row.outputs * width)
    )


def _initialise(module: nn.Module) -> None:
    """As EfficientAT begins: He's normal one by outputs, small linear layers."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.01)
        nn.init.zeros_(module.bias)
