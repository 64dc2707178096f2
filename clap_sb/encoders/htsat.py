"""HTSAT: the hierarchical token-semantic audio transformer (Chen et al., 2202.00874).

The audio tower of LAION-CLAP (2211.06687) and MS-CLAP 2023: a Swin transformer over a
log-mel that is folded into a square image. Parameter names are those of the public
checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from clap_sb.encoders.audio_tower import AudioTower
from clap_sb.encoders.conv_stem import ConvStem
from clap_sb.encoders.patch_embed import PatchEmbed
from clap_sb.encoders.spec_augment import SpecAugment
from clap_sb.encoders.swin import SwinStage
from clap_sb.features import LogMel


class HTSAT(AudioTower):
    """Waveforms to one embedding a clip.

    ============= =========== ============ ============== =================
    size          embed_dim   depths       num_heads      embedding_dim
    ============= =========== ============ ============== =================
    tiny          96          2, 2, 6, 2   4, 8, 16, 32   768
    base          128         2, 2, 12, 2  4, 8, 16, 32   1024
    large         256         2, 2, 12, 2  4, 8, 16, 32   2048
    small (ours)  see ``hparams/demo.yaml``
    ============= =========== ============ ============== =================

    The embedding is the mean of the normalised tokens of the last stage. What is done
    with short and long clips: see :class:`~clap_sb.encoders.audio_tower.AudioTower`.

    Arguments
    ---------
    log_mel : LogMel
        Front end.
    clip_samples : int
        Samples in a window.
    sample_rate : int, optional
        Sample rate of the waveforms, Hz; that of the filterbank unless given (MS-CLAP
        2023 hears 44.1 kHz through a filterbank made for 32 kHz).
    padding : str
        How short clips are filled up, see :func:`clap_sb.clips.fill`.
    fusion : str, optional
        One of :data:`clap_sb.encoders.fusion.FUSIONS`, for long clips.
    spec_size : int
        Side of the image; ``spec_size * spec_size / n_mels`` frames fit.
    patch_size : int
        Side of a patch.
    stem_channels : sequence of int, optional
        Widths of a :class:`~clap_sb.encoders.conv_stem.ConvStem` in place of the plain
        patches of the public checkpoints; one layer for each factor 2 of
        ``patch_size``. Not with 2-D fusion, which has patches of its own.
    window_size : int
        Side of an attention window, patches.
    embed_dim : int
        Width of the first stage; each further stage doubles it.
    depths : sequence of int
        Blocks of each stage.
    num_heads : sequence of int
        Heads of each stage.
    mlp_ratio : float
        Inner width of the MLPs over their width.
    drop_path : float
        Drop-path probability of the last block; it grows linearly from 0.
    spec_augment : SpecAugment, optional
        Masking in training mode; None for none.
    num_classes : int
        With more than 0, a token-semantic class head is built for :meth:`classify`.
        CLAP needs none.
    gradient_checkpointing : bool
        Recompute each block in the backward pass: less memory, a third more time.
    freeze : bool
        Keep all parameters and batch statistics as they are.

    Example
    -------
    >>> encoder = HTSAT(
    ...     LogMel(),
    ...     clip_samples=480000,
    ...     embed_dim=8,
    ...     depths=[1, 1, 1, 1],
    ...     num_heads=[1, 1, 2, 2],
    ... ).eval()
    >>> encoder(torch.randn(2, 48000), torch.tensor([1.0, 0.5])).shape
    torch.Size([2, 64])
    >>> encoder.frames(torch.randn(2, 480000)).shape
    torch.Size([2, 32, 64])
    """

    def __init__(
        self,
        log_mel: LogMel,
        clip_samples: int = 480000,
        sample_rate: int | None = None,
        padding: str = "repeatpad",
        fusion: str | None = None,
        spec_size: int = 256,
        patch_size: int = 4,
        stem_channels: Sequence[int] | None = None,
        window_size: int = 8,
        embed_dim: int = 96,
        depths: Sequence[int] = (2, 2, 6, 2),
        num_heads: Sequence[int] = (4, 8, 16, 32),
        mlp_ratio: float = 4.0,
        drop_path: float = 0.1,
        spec_augment: SpecAugment | None = None,
        num_classes: int = 0,
        gradient_checkpointing: bool = False,
        freeze: bool = False,
    ):
        super().__init__(
            log_mel,
            clip_samples,
            embedding_dim=embed_dim * 2 ** (len(depths) - 1),
            sample_rate=sample_rate,
            padding=padding,
            fusion=fusion,
            spec_augment=spec_augment,
            num_classes=num_classes,
            freeze=freeze,
        )
        self.spec_size = spec_size
        self.freq_ratio = spec_size // log_mel.n_mels
        self.gradient_checkpointing = gradient_checkpointing
        self._check_geometry(log_mel, patch_size, window_size, depths, num_heads)
        if stem_channels is None:
            self.patch_embed = PatchEmbed(patch_size, embed_dim, fusion)
        else:
            self._check_stem(stem_channels, patch_size)
            self.patch_embed = ConvStem(stem_channels, embed_dim)
        rates = torch.linspace(0, drop_path, sum(depths)).split(list(depths))
        self.layers = nn.ModuleList(
            SwinStage(
                embed_dim * 2**stage,
                spec_size // patch_size // 2**stage,
                depth,
                num_heads[stage],
                window_size,
                mlp_ratio,
                rates[stage].tolist(),
                downsample=stage < len(depths) - 1,
            )
            for stage, depth in enumerate(depths)
        )
        self.norm = nn.LayerNorm(self.embedding_dim)
        self.apply(_initialise)
        side = spec_size // patch_size // 2 ** (len(depths) - 1)
        self.num_bands = side // self.freq_ratio
        if num_classes:
            self.tscam_conv = nn.Conv2d(
                self.embedding_dim,
                num_classes,
                kernel_size=(self.num_bands, 3),
                padding=(0, 1),
            )
        self.freeze_if_asked()

    def _check_geometry(self, log_mel, patch_size, window_size, depths, num_heads):
        frames = log_mel.num_frames(self.clip_samples)
        if self.spec_size % log_mel.n_mels or frames > self.max_frames:
            raise ValueError(
                f"an image of {self.spec_size} x {self.spec_size} holds at most "
                f"{self.max_frames} frames of {log_mel.n_mels} mel bands, but a clip "
                f"of {self.clip_samples} samples has {frames}: shorten clip_samples, "
                "or take a larger spec_size that is a multiple of n_mels"
            )
        if len(depths) != len(num_heads):
            raise ValueError(
                f"depths {list(depths)} and num_heads {list(num_heads)} must name the "
                "same number of stages"
            )
        sides = [self.spec_size // patch_size // 2**s for s in range(len(depths))]
        if any(side % min(window_size, side) for side in sides):
            raise ValueError(
                f"maps of {sides} patches cannot be cut into windows of {window_size}"
            )
        if sides[-1] % self.freq_ratio:
            raise ValueError(
                f"the last stage is {sides[-1]} patches high, which is no multiple of "
                f"the {self.freq_ratio} parts the spectrogram is folded into: take "
                "fewer stages or a smaller patch_size"
            )

    def _check_stem(self, stem_channels: Sequence[int], patch_size: int) -> None:
        if 2 ** len(stem_channels) != patch_size:
            raise ValueError(
                f"stem_channels {list(stem_channels)} make patches of "
                f"{2 ** len(stem_channels)}, patch_size is {patch_size}: give one "
                "layer for each factor 2"
            )
        if self.fusion is not None and self.fusion_dims != 1:
            raise ValueError(
                f"stem_channels with fusion {self.fusion!r}: that fuses plain patches; "
                "leave stem_channels out, or take a 1-D fusion"
            )

    @property
    def max_frames(self) -> int:
        """Frames that fit into the image."""
        return self.spec_size * self.freq_ratio

    def embed_log_mel(
        self, log_mel: torch.Tensor, longer: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Embeds log-mels, ``[batch, channels, frames, n_mels]``; see the base."""
        return self.tokens_of_log_mel(log_mel, longer).mean((1, 2))

    def frames(
        self, wavs: torch.Tensor, wav_lens: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Embeds each part of a window: what sounds when.

        Arguments
        ---------
        wavs : torch.Tensor
            ``[batch, time]``, at most ``clip_samples`` long without fusion.
        wav_lens : torch.Tensor, optional
            Relative lengths, ``[batch]``.

        Returns
        -------
        torch.Tensor
            ``[batch, parts, embedding_dim]``: equal parts of the ``clip_samples``
            that the window is filled up to. Their mean is the clip's embedding.
        """
        return self.frames_of_log_mel(*self.views(wavs, self.lengths(wavs, wav_lens)))

    def frames_of_log_mel(
        self, log_mel: torch.Tensor, longer: torch.Tensor | None = None
    ) -> torch.Tensor:
        """What :meth:`frames` gives, of what :meth:`views` gives."""
        return self.tokens_of_log_mel(log_mel, longer).mean(1)

    def classify_log_mel(
        self, log_mel: torch.Tensor, longer: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The token-semantic head on log-mels: logits, ``[batch, num_classes]``."""
        tokens = self.tokens_of_log_mel(log_mel, longer)
        return self.tscam_conv(tokens.permute(0, 3, 1, 2)).mean((2, 3))

    def tokens_of_log_mel(
        self, log_mel: torch.Tensor, longer: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Tokens of the last stage, in time order: ``[batch, bands, parts, dim]``.

        Their mean over the bands is what :meth:`frames` gives, that over both the
        clip's embedding.
        """
        x = self.encode_image(self.image(log_mel, longer), longer)
        batch, side, _, dim = x.shape
        # the rows of the image are quarters of the time; each holds num_bands rows
        x = x.view(batch, self.freq_ratio, self.num_bands, side, dim)
        return x.transpose(1, 2).reshape(batch, self.num_bands, -1, dim)

    def image(
        self, log_mel: torch.Tensor, longer: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Normalises a log-mel and folds it into the square image.

        Arguments
        ---------
        log_mel : torch.Tensor
            ``[batch, channels, frames, n_mels]``, dB.
        longer : torch.Tensor, optional
            ``[batch]``, True for clips to be fused.

        Returns
        -------
        torch.Tensor
            ``[batch, channels, spec_size, spec_size]``: row ``q * n_mels + m``, column
            ``t`` holds band ``m`` at frame ``q * spec_size + t``.
        """
        x = self.normalise(log_mel, longer)
        batch, channels, frames, mels = x.shape
        if frames < self.max_frames:
            x = _stretched(x, self.max_frames)
        x = x.transpose(2, 3).reshape(
            batch, channels, mels, self.freq_ratio, self.spec_size
        )
        return x.transpose(2, 3).reshape(
            batch, channels, self.spec_size, self.spec_size
        )

    def encode_image(
        self, image: torch.Tensor, longer: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Runs patch embedding and all stages.

        Arguments
        ---------
        image : torch.Tensor
            ``[batch, channels, spec_size, spec_size]``.
        longer : torch.Tensor, optional
            ``[batch]``, True for clips to be fused.

        Returns
        -------
        torch.Tensor
            Normalised tokens, ``[batch, side, side, embedding_dim]``.
        """
        x = self.patch_embed(image, longer)
        recompute = self.gradient_checkpointing and self.training
        for layer in self.layers:
            x = layer(x, recompute)
        return self.norm(x)


def _initialise(module: nn.Module) -> None:
    """Swin's initialisation: truncated normal of 0.02, biases 0."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _stretched(x: torch.Tensor, frames: int) -> torch.Tensor:
    """More frames of ``[batch, channels, frames, mels]``, by cubic interpolation.

    Its gradients on a GPU are sums in no fixed order; those of a product are not. The
    two differ by rounding, and so the product stands where it is asked for alone.
    """
    size = (frames, x.shape[3])
    if not torch.are_deterministic_algorithms_enabled():
        return F.interpolate(x, size, mode="bicubic", align_corners=True)
    unit = torch.eye(x.shape[2], device=x.device, dtype=x.dtype)[None, None]
    with torch.no_grad():
        size = (frames, x.shape[2])
        weights = F.interpolate(unit, size, mode="bicubic", align_corners=True)
    return weights[0, 0] @ x
