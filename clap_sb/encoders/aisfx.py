"""aiSFX: the sound-effect CNN of Ma and Lerch (ISMIR 2022), which pip brings.

Names of parameters are those of its file. Where they are pretrained, the weights are
theirs, under CC BY 4.0 (:mod:`clap_sb.encoders.pip_package`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from clap_sb.encoders.audio_tower import AudioTower
from clap_sb.encoders.cnn14 import ConvBlock
from clap_sb.encoders.essentia_log_mel import EssentiaLogMel
from clap_sb.encoders.pip_package import (
    PackageError,
    PackageMissing,
    pip_package,
)
from clap_sb.encoders.spec_augment import SpecAugment

# the largest log-mel of its training set, in Essentia's unit of 10 dB
_LOUDEST = 9.457798957824707
_NETWORK = "embedding_net."  # the heads of its nine libraries are left out


class AISFX(AudioTower):
    """Waveforms to one embedding a clip.

    Four blocks of two convolutions, the first three with max pooling; then the mean
    over mel bands, and the maximum over time. Its authors' code embeds blocks of 100
    frames, 2.3 s, each by itself: that is the window, and what is done with short and
    long clips is told by :class:`~clap_sb.encoders.audio_tower.AudioTower`.

    Arguments
    ---------
    log_mel : EssentiaLogMel
        Front end.
    clip_samples : int
        Samples in a window; that of its authors has 99 hops.
    padding : str
        How short clips are filled up, see :func:`clap_sb.clips.fill`; its authors take
        zeros.
    channels : sequence of int
        Channels of each block; the last is the width of the embedding.
    pretrained : str, optional
        ``package:aisfx`` for the published weights, from the installed package; random
        ones unless given.
    spec_augment : SpecAugment, optional
        Masking in training mode; None for none.
    gradient_checkpointing : bool
        Recompute each block in the backward pass: less memory, a third more time.
    freeze : bool
        Keep all parameters and batch statistics as they are.

    Raises
    ------
    PackageMissing
        If the package is not installed.
    PackageError
        If its file is not the published one, or it is another package.
    ValueError
        If the published weights do not fit, or a window is too short.

    Example
    -------
    >>> tower = AISFX(EssentiaLogMel(), channels=[4, 8, 8, 16]).eval()
    >>> tower(torch.randn(2, 120000), torch.tensor([1.0, 0.5])).shape
    torch.Size([2, 16])
    """

    def __init__(
        self,
        log_mel: EssentiaLogMel,
        clip_samples: int = 101376,
        padding: str = "pad",
        channels: Sequence[int] = (64, 128, 256, 512),
        pretrained: str | None = None,
        spec_augment: SpecAugment | None = None,
        gradient_checkpointing: bool = False,
        freeze: bool = False,
    ):
        super().__init__(
            log_mel,
            clip_samples,
            embedding_dim=channels[-1],
            padding=padding,
            spec_augment=spec_augment,
            freeze=freeze,
            with_bn0=False,
        )
        shrink = 2 ** (len(channels) - 1)
        if min(log_mel.num_frames(clip_samples), log_mel.n_mels) < shrink:
            raise ValueError(
                f"{len(channels)} blocks shrink a log-mel {shrink} times, more than "
                f"{clip_samples} samples have frames: lengthen clip_samples"
            )
        self.gradient_checkpointing = gradient_checkpointing
        self.num_blocks, inputs = len(channels), 1
        for index, outputs in enumerate(channels, start=1):
            pool = 1 if index == self.num_blocks else 2
            block = ConvBlock(inputs, outputs, pool, F.max_pool2d)
            self.add_module(f"conv_block{index}", block)
            inputs = outputs
        self.apply(_initialise)
        # max pooling of maps that lie so takes a third of the time on a CPU, and all of
        # the tower two thirds
        self.to(memory_format=torch.channels_last)
        if pretrained is not None:
            self._load(pretrained)
        self.freeze_if_asked()

    def _load(self, pretrained: str) -> None:
        state = {
            key.removeprefix(_NETWORK): value
            for key, value in _read(pretrained).items()
            if key.startswith(_NETWORK)
        }
        own = {key: value for key, value in self.state_dict().items() if key in state}
        if any(own[key].shape != state[key].shape for key in own):
            raise ValueError(
                f"the weights of {pretrained} are for channels [64, 128, 256, 512]: "
                "leave channels as they are, or pretrained null"
            )
        found = self.load_state_dict(state, strict=False)
        unfilled = [key for key in found.missing_keys if not key.startswith("log_mel.")]
        if unfilled or found.unexpected_keys:
            raise ValueError(
                f"the weights of {pretrained} are for four blocks: take four channels"
            )

    def embed_log_mel(
        self, log_mel: torch.Tensor, longer: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Embeds log-mels, ``[batch, 1, frames, n_mels]``; see the base."""
        x = self.normalise(log_mel / (10.0 * _LOUDEST))
        for index in range(1, self.num_blocks + 1):
            block = self.get_submodule(f"conv_block{index}")
            if self.gradient_checkpointing and self.training:
                x = checkpoint(block, x, use_reentrant=False)
            else:
                x = block(x)
        return x.mean(3).amax(2)


def _initialise(module: nn.Module) -> None:
    """As its authors did: He's uniform one."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")


def _read(pretrained: str) -> dict[str, torch.Tensor]:
    """The state dict in the package's file; nothing is imported or executed.

    Beside it are the numbers of classes of the heads, and some of them are NumPy's.
    """
    import numpy as np

    package = pip_package(pretrained)
    if package is None or package.name != "aisfx":
        raise PackageError(f"pretrained is package:aisfx or null, not {pretrained!r}")
    allowed = [
        (_unused_number, "numpy.core.multiarray.scalar"),
        (_unused_number, "numpy._core.multiarray.scalar"),  # NumPy 2's own name
        np.dtype,
        type(np.dtype(np.int64)),
    ]
    try:
        path = package.folder() / "checkpoint.pth"
    except PackageMissing as error:
        raise PackageMissing(
            f"{error}, or train the same tower from random weights "
            "(--pretrained_audio null --freeze_audio False)"
        ) from error
    with torch.serialization.safe_globals(allowed):
        state, _ = torch.load(path, map_location="cpu", weights_only=True)
    return state


def _unused_number(*_: object) -> None:
    """Stands in for NumPy's own function, which takes any kind of object."""
