"""CNN14: the convolutional audio tower of PANNs (Kong et al., 1912.10211).

The audio tower of MS-CLAP 2022 (2206.04769), and one of those that LAION-CLAP
(2211.06687) and WavCaps (2303.17395) compare. Parameter names are those of the public
checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from clap_sb.encoders.audio_tower import AudioTower
from clap_sb.encoders.fusion import CHANNEL_MAP, fuse_long_clips, fusion_block
from clap_sb.encoders.linear import Linear
from clap_sb.encoders.spec_augment import SpecAugment
from clap_sb.features import LogMel
from clap_sb.fusion_views import NUM_CHUNKS


class ConvBlock(nn.Module):
    """Two 3 x 3 convolutions, each with batch norm and ReLU, and pooling.

    Arguments
    ---------
    inputs : int
        Channels of the input.
    outputs : int
        Channels of the result.
    pool : int
        Side of the pooled square.
    pooling : callable
        How squares are pooled: their mean, unless given.

    Example
    -------
    >>> ConvBlock(1, 64, pool=2)(torch.randn(2, 1, 101, 64)).shape
    torch.Size([2, 64, 50, 32])
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        pool: int,
        pooling: Callable[[torch.Tensor, int], torch.Tensor] = F.avg_pool2d,
    ):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.pool, self.pooling = pool, pooling

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, inputs, frames, mels]`` to ``[batch, outputs, frames', mels']``."""
        # in place: what batch norm gave is of no use to its gradient
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        return self.pooling(x, self.pool)


class CNN14(AudioTower):
    """Waveforms to one embedding a clip.

    Six blocks of two convolutions; then the mean over mel bands, and the sum of maximum
    and mean over time. What is done with short and long clips: see
    :class:`~clap_sb.encoders.audio_tower.AudioTower`.

    Arguments
    ---------
    log_mel : LogMel
        Front end.
    clip_samples : int
        Samples in a window.
    sample_rate : int, optional
        Sample rate of the waveforms, Hz; that of the filterbank unless given.
    padding : str
        How short clips are filled up, see :func:`clap_sb.clips.fill`.
    fusion : str, optional
        One of :data:`clap_sb.encoders.fusion.FUSIONS`, for long clips.
    channels : sequence of int
        Channels of each block; the last is the width of the embedding, unless
        ``fc1_dim`` is given.
    with_fc1 : bool
        Whether a linear layer with ReLU follows (not in WavCaps).
    fc1_dim : int, optional
        What that layer gives (PANNs' ``Cnn14_emb32``, ``emb128``, ``emb512``); as wide
        as the last block unless given.
    last_pool : int
        Side of the square that the last block pools: 1, or 2 in WavCaps.
    dropout : float
        Dropout after each block; that around ``fc1`` is 0.5.
    spec_augment : SpecAugment, optional
        Masking in training mode; None for none.
    num_classes : int
        With more than 0, a class head is built for :meth:`classify`. CLAP needs none.
    gradient_checkpointing : bool
        Recompute each block in the backward pass: less memory, a third more time.
    freeze : bool
        Keep all parameters and batch statistics as they are.

    Example
    -------
    >>> encoder = CNN14(LogMel(), clip_samples=48000, channels=[4, 8, 8, 8, 8, 16])
    >>> encoder.eval()(torch.randn(2, 48000), torch.tensor([1.0, 0.5])).shape
    torch.Size([2, 16])
    """

    def __init__(
        self,
        log_mel: LogMel,
        clip_samples: int = 480000,
        sample_rate: int | None = None,
        padding: str = "repeatpad",
        fusion: str | None = None,
        channels: Sequence[int] = (64, 128, 256, 512, 1024, 2048),
        with_fc1: bool = True,
        last_pool: int = 1,
        dropout: float = 0.2,
        spec_augment: SpecAugment | None = None,
        num_classes: int = 0,
        gradient_checkpointing: bool = False,
        freeze: bool = False,
        fc1_dim: int | None = None,
    ):
        super().__init__(
            log_mel,
            clip_samples,
            embedding_dim=fc1_dim if with_fc1 and fc1_dim else channels[-1],
            sample_rate=sample_rate,
            padding=padding,
            fusion=fusion,
            spec_augment=spec_augment,
            num_classes=num_classes,
            freeze=freeze,
        )
        self._check_geometry(channels, last_pool)
        self.dropout = dropout
        self.gradient_checkpointing = gradient_checkpointing
        inputs = 1 + NUM_CHUNKS if fusion == CHANNEL_MAP else 1
        self.num_blocks = len(channels)
        for index, outputs in enumerate(channels, start=1):
            pool = last_pool if index == self.num_blocks else 2
            self.add_module(f"conv_block{index}", ConvBlock(inputs, outputs, pool))
            inputs = outputs
        if self.fusion_dims == 2:
            self.mel_conv2d = nn.Sequential(
                nn.Conv2d(1, channels[0], 5, stride=(2 * NUM_CHUNKS, 2), padding=2),
                nn.BatchNorm2d(channels[0]),
                nn.ReLU(),
            )
            self.fusion_model = fusion_block(fusion, channels[0])
        if with_fc1:
            self.fc1 = Linear(channels[-1], self.embedding_dim)
        self.with_fc1 = with_fc1
        if num_classes:
            self.fc_audioset = Linear(self.embedding_dim, num_classes)
        self.apply(_initialise)
        self.freeze_if_asked()

    def _check_geometry(self, channels: Sequence[int], last_pool: int) -> None:
        shrink = 2 ** (len(channels) - 1) * last_pool
        size = (self.log_mel.num_frames(self.clip_samples), self.log_mel.n_mels)
        if min(size) < shrink:
            raise ValueError(
                f"{len(channels)} blocks shrink a log-mel {shrink} times, but a clip "
                f"of {self.clip_samples} samples has {size[0]} frames of {size[1]} "
                "bands: "
                "lengthen clip_samples, or give fewer channels"
            )

    def classify_log_mel(
        self, log_mel: torch.Tensor, longer: torch.Tensor | None = None
    ) -> torch.Tensor:
        """PANNs' linear head on log-mels: logits, ``[batch, num_classes]``."""
        return self.fc_audioset(self._pooled(log_mel, longer))

    def embed_log_mel(
        self, log_mel: torch.Tensor, longer: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Embeds log-mels, ``[batch, channels, frames, n_mels]``; see the base."""
        pooled = self._pooled(log_mel, longer)
        return F.dropout(pooled, 0.5, self.training) if self.with_fc1 else pooled

    def _pooled(
        self, log_mel: torch.Tensor, longer: torch.Tensor | None
    ) -> torch.Tensor:
        x = self._map(self.normalise(log_mel, longer), longer).mean(3)
        x = x.amax(2) + x.mean(2)
        if not self.with_fc1:
            return x
        return F.relu(self.fc1(F.dropout(x, 0.5, self.training)))

    def _map(self, x: torch.Tensor, longer: torch.Tensor | None) -> torch.Tensor:
        """Runs all blocks: ``[batch, channels, frames, mels]`` to a map."""
        for index in range(1, self.num_blocks + 1):
            block = self.get_submodule(f"conv_block{index}")
            if index == 1 and self.fusion_dims == 2:
                x = self._fuse_maps(self._run(block, x[:, :1]), x, longer)
            else:
                x = self._run(block, x)
            x = F.dropout(x, self.dropout, self.training)
        return x

    def _run(self, block: nn.Module, x: torch.Tensor) -> torch.Tensor:
        if self.gradient_checkpointing and self.training:
            return checkpoint(block, x, use_reentrant=False)
        return block(x)

    def _fuse_maps(
        self, whole: torch.Tensor, x: torch.Tensor, longer: torch.Tensor
    ) -> torch.Tensor:
        """Chunks are shortened to a third each, laid end to end, and fused."""

        def fuse(rows: torch.Tensor) -> torch.Tensor:
            chunks = self.mel_conv2d(x[rows, 1:].flatten(0, 1).unsqueeze(1))
            chunks = chunks.unflatten(0, (-1, NUM_CHUNKS)).transpose(1, 2).flatten(2, 3)
            return self.fusion_model(whole[rows], chunks[:, :, : whole.shape[2]])

        return fuse_long_clips(fuse, whole, longer, self.training)


def _initialise(module: nn.Module) -> None:
    """PANNs' initialisation: Xavier's uniform one, biases 0."""
    if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
