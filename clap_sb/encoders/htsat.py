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

from clap_sb.clips import cut_windows, mean_of_windows, num_samples, repeat_pad
from clap_sb.encoders.spec_augment import SpecAugment
from clap_sb.encoders.swin import SwinStage
from clap_sb.features import LogMel


class PatchEmbed(nn.Module):
    """Cuts the image into patches and embeds each.

    Arguments
    ---------
    patch : int
        Side of a patch.
    dim : int
        Width of the result.

    Example
    -------
    >>> PatchEmbed(4, 96)(torch.zeros(1, 1, 256, 256)).shape
    torch.Size([1, 64, 64, 96])
    """

    def __init__(self, patch: int, dim: int):
        super().__init__()
        self.proj = nn.Conv2d(1, dim, kernel_size=patch, stride=patch)
        self.norm = nn.LayerNorm(dim)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """``[batch, 1, size, size]`` to ``[batch, size/patch, size/patch, dim]``."""
        return self.norm(self.proj(image).permute(0, 2, 3, 1))


class HTSAT(nn.Module):
    """Waveforms to one embedding a clip.

    ============= =========== ============ ============== =================
    size          embed_dim   depths       num_heads      embedding_dim
    ============= =========== ============ ============== =================
    tiny          96          2, 2, 6, 2   4, 8, 16, 32   768
    base          128         2, 2, 12, 2  4, 8, 16, 32   1024
    large         256         2, 2, 12, 2  4, 8, 16, 32   2048
    small (ours)  see ``hparams/demo.yaml``
    ============= =========== ============ ============== =================

    A clip of up to ``clip_samples`` is repeated as often as it fits, and the rest is
    silence (LAION's ``repeatpad``); a longer one is cut into windows (the last one
    ends the clip) whose embeddings are averaged. The embedding is the mean of the
    normalised tokens of the last stage.

    Arguments
    ---------
    log_mel : LogMel
        Front end.
    clip_samples : int
        Samples in a window.
    spec_size : int
        Side of the image; ``spec_size * spec_size / n_mels`` frames fit.
    patch_size : int
        Side of a patch.
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
        spec_size: int = 256,
        patch_size: int = 4,
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
        super().__init__()
        self.sample_rate = log_mel.sample_rate
        self.clip_samples = clip_samples
        self.spec_size = spec_size
        self.freq_ratio = spec_size // log_mel.n_mels
        self.embedding_dim = embed_dim * 2 ** (len(depths) - 1)
        self.gradient_checkpointing = gradient_checkpointing
        self.frozen = freeze
        self._check_geometry(log_mel, patch_size, window_size, depths, num_heads)

        self.log_mel = log_mel
        self.bn0 = nn.BatchNorm2d(log_mel.n_mels)
        self.spec_augment = nn.Identity() if spec_augment is None else spec_augment
        self.patch_embed = PatchEmbed(patch_size, embed_dim)
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
        self.requires_grad_(not freeze).train()

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

    @property
    def max_frames(self) -> int:
        """Frames that fit into the image."""
        return self.spec_size * self.freq_ratio

    def train(self, mode: bool = True) -> HTSAT:
        """Sets the mode; a frozen encoder stays in eval mode, whoever asks."""
        return super().train(mode and not self.frozen)

    def forward(
        self, wavs: torch.Tensor, wav_lens: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Embeds a batch.

        Arguments
        ---------
        wavs : torch.Tensor
            ``[batch, time]`` at ``sample_rate``, any length.
        wav_lens : torch.Tensor, optional
            Relative lengths, ``[batch]``.

        Returns
        -------
        torch.Tensor
            ``[batch, embedding_dim]``.
        """
        lengths = num_samples(wavs, wav_lens)
        if wavs.shape[1] <= self.clip_samples:
            return self._tokens(wavs, lengths).mean((1, 2))
        windows, valid = cut_windows(wavs, lengths, self.clip_samples)
        batch, count, size = windows.shape
        lengths = lengths.clamp(max=size).repeat_interleave(count)
        tokens = self._tokens(windows.view(batch * count, size), lengths)
        return mean_of_windows(tokens.mean((1, 2)).view(batch, count, -1), valid)

    def frames(
        self, wavs: torch.Tensor, wav_lens: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Embeds each part of a window: what sounds when.

        Arguments
        ---------
        wavs : torch.Tensor
            ``[batch, time]``, at most ``clip_samples`` long.
        wav_lens : torch.Tensor, optional
            Relative lengths, ``[batch]``.

        Returns
        -------
        torch.Tensor
            ``[batch, parts, embedding_dim]``: equal parts of the ``clip_samples``
            that the window is filled up to. Their mean is the clip's embedding.

        Raises
        ------
        ValueError
            If the clips are longer than a window.
        """
        return self._one_window(wavs, wav_lens).mean(1)

    def classify(
        self, wavs: torch.Tensor, wav_lens: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Scores each class with the token-semantic head (HTSAT's AudioSet task).

        Arguments
        ---------
        wavs : torch.Tensor
            ``[batch, time]``, at most ``clip_samples`` long.
        wav_lens : torch.Tensor, optional
            Relative lengths, ``[batch]``.

        Returns
        -------
        torch.Tensor
            Logits, ``[batch, num_classes]``.

        Raises
        ------
        ValueError
            If the clips are longer than a window.
        """
        tokens = self._one_window(wavs, wav_lens)
        return self.tscam_conv(tokens.permute(0, 3, 1, 2)).mean((2, 3))

    def _one_window(
        self, wavs: torch.Tensor, wav_lens: torch.Tensor | None
    ) -> torch.Tensor:
        if wavs.shape[1] > self.clip_samples:
            raise ValueError(
                f"this takes clips of at most {self.clip_samples} samples, got "
                f"{wavs.shape[1]}: cut them into windows first "
                "(clap_sb.clips.window_starts)"
            )
        return self._tokens(wavs, num_samples(wavs, wav_lens))

    def _tokens(self, wavs: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Tokens of the last stage, in time order: ``[batch, bands, parts, dim]``."""
        wavs = repeat_pad(wavs, lengths, self.clip_samples)
        x = self.encode_image(self.image(self.log_mel(wavs)))
        batch, side, _, dim = x.shape
        # the rows of the image are quarters of the time; each holds num_bands rows
        x = x.view(batch, self.freq_ratio, self.num_bands, side, dim)
        return x.transpose(1, 2).reshape(batch, self.num_bands, -1, dim)

    def image(self, log_mel: torch.Tensor) -> torch.Tensor:
        """Normalises a log-mel and folds it into the square image.

        Arguments
        ---------
        log_mel : torch.Tensor
            ``[batch, 1, frames, n_mels]``, dB.

        Returns
        -------
        torch.Tensor
            ``[batch, 1, spec_size, spec_size]``: row ``q * n_mels + m``, column ``t``
            holds band ``m`` at frame ``q * spec_size + t``.
        """
        x = self.bn0(log_mel.transpose(1, 3)).transpose(1, 3)
        x = self.spec_augment(x)
        batch, channels, frames, mels = x.shape
        if frames < self.max_frames:
            size = (self.max_frames, mels)
            x = F.interpolate(x, size, mode="bicubic", align_corners=True)
        x = x.transpose(2, 3).reshape(
            batch, channels, mels, self.freq_ratio, self.spec_size
        )
        return x.transpose(2, 3).reshape(
            batch, channels, self.spec_size, self.spec_size
        )

    def encode_image(self, image: torch.Tensor) -> torch.Tensor:
        """Runs patch embedding and all stages.

        Arguments
        ---------
        image : torch.Tensor
            ``[batch, 1, spec_size, spec_size]``.

        Returns
        -------
        torch.Tensor
            Normalised tokens, ``[batch, side, side, embedding_dim]``.
        """
        x = self.patch_embed(image)
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
