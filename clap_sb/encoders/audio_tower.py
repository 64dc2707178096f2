"""What all audio towers share: from waveforms to a normalised log-mel, and back."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import nn

from clap_sb.clips import (
    FILL_RULES,
    check_lengths,
    cut_windows,
    fill,
    num_samples,
    sum_of_windows,
)
from clap_sb.encoders.fusion import fuse_long_clips, fusion_block, fusion_dims
from clap_sb.encoders.spec_augment import SpecAugment
from clap_sb.features import LogMel
from clap_sb.fusion_views import NUM_CHUNKS, FusionViews


class AudioTower(nn.Module, ABC):
    """Base of the audio towers: waveforms of any length to one embedding a clip.

    Without fusion, a clip of up to ``clip_samples`` is filled up by the rule of its
    checkpoint family; a longer one is cut into windows (the last one ends the clip)
    whose embeddings are averaged. With fusion, a clip is heard as
    :class:`~clap_sb.fusion_views.FusionViews` shows it, and is never cut.

    In eval mode several threads may be in it at once, each with a batch of its own: a
    tower keeps nothing in itself while it computes.

    Arguments
    ---------
    log_mel : LogMel
        Front end.
    clip_samples : int
        Samples in a window.
    embedding_dim : int
        Width of the embedding.
    sample_rate : int, optional
        Sample rate of the waveforms, Hz; that of the filterbank unless given.
    padding : str
        How short clips are filled up, see :func:`clap_sb.clips.fill`.
    fusion : str, optional
        One of :data:`clap_sb.encoders.fusion.FUSIONS`; None for none.
    spec_augment : SpecAugment, optional
        Masking in training mode; None for none.
    num_classes : int
        With more than 0, the tower builds a class head and has ``classify_log_mel``.
    freeze : bool
        Keep all parameters and batch statistics as they are; a tower calls
        :meth:`freeze_if_asked` when it is built.
    with_bn0 : bool
        Whether :meth:`normalise` has PANNs' batch norm of each mel band; a tower that
        normalises by itself has no use for its parameters.

    Raises
    ------
    ValueError
        If there is no such padding or fusion.

    Example
    -------
    >>> class Loudness(AudioTower):
    ...     def embed_log_mel(self, log_mel, longer=None):
    ...         return self.normalise(log_mel, longer).mean((2, 3))
    >>> tower = Loudness(LogMel(), clip_samples=48000, embedding_dim=1)
    >>> tower(torch.randn(2, 60000), torch.tensor([1.0, 0.3])).shape
    torch.Size([2, 1])
    """

    def __init__(
        self,
        log_mel: LogMel,
        clip_samples: int,
        embedding_dim: int,
        sample_rate: int | None = None,
        padding: str = "repeatpad",
        fusion: str | None = None,
        spec_augment: SpecAugment | None = None,
        num_classes: int = 0,
        freeze: bool = False,
        with_bn0: bool = True,
    ):
        super().__init__()
        if padding not in FILL_RULES:
            raise ValueError(f"padding is one of {list(FILL_RULES)}, not {padding!r}")
        self.sample_rate = log_mel.sample_rate if sample_rate is None else sample_rate
        self.clip_samples = clip_samples
        self.embedding_dim = embedding_dim
        self.padding = padding
        self.fusion = fusion
        self.fusion_dims = fusion_dims(fusion)
        self.num_classes = num_classes
        self.frozen = freeze

        self.log_mel = log_mel
        self.bn0 = nn.BatchNorm2d(log_mel.n_mels) if with_bn0 else nn.Identity()
        self.spec_augment = nn.Identity() if spec_augment is None else spec_augment
        if self.takes_whole_clips:
            self.fusion_views = FusionViews(clip_samples, padding)
        if self.fusion_dims == 1:
            mels = log_mel.n_mels
            self.mel_conv1d = nn.Sequential(
                nn.Conv1d(mels, mels, kernel_size=5, stride=NUM_CHUNKS, padding=2),
                nn.BatchNorm1d(mels),
            )
            self.fusion_model = fusion_block(fusion, mels)

    @property
    def takes_whole_clips(self) -> bool:
        """Whether long clips are to be given whole, not as windows."""
        return self.fusion is not None

    def freeze_if_asked(self) -> None:
        """Ends the building of a tower: one to be frozen is from now on."""
        if self.frozen:
            self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> AudioTower:
        """Sets the mode; a frozen tower stays in eval mode, whoever asks."""
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
            Relative lengths, ``[batch]``; in float64, those of hours are exact.

        Returns
        -------
        torch.Tensor
            ``[batch, embedding_dim]``.

        Raises
        ------
        ValueError
            If there is not one length a clip, or, on a CPU, one is not in (0, 1].
        """
        lengths = self.lengths(wavs, wav_lens)
        if self.takes_whole_clips or wavs.shape[1] <= self.clip_samples:
            return self.embed_log_mel(*self.views(wavs, lengths))
        windows, valid = cut_windows(wavs, lengths, self.clip_samples)
        batch, count, size = windows.shape
        lengths = lengths.clamp(max=size).repeat_interleave(count)
        views = self.views(windows.view(batch * count, size), lengths)
        embedding = self.embed_log_mel(*views).view(batch, count, -1)
        # no unit vectors yet: the mean alone
        return sum_of_windows(embedding, valid) / valid.sum(1, keepdim=True)

    def lengths(
        self, wavs: torch.Tensor, wav_lens: torch.Tensor | None
    ) -> torch.Tensor:
        """Sample counts, ``[batch]``, of relative lengths that are what they should be.

        Arguments
        ---------
        wavs : torch.Tensor
            ``[batch, time]``.
        wav_lens : torch.Tensor or None
            Relative lengths, ``[batch]``.

        Returns
        -------
        torch.Tensor
            As :func:`clap_sb.clips.num_samples` gives them.

        Raises
        ------
        ValueError
            As :func:`clap_sb.clips.check_lengths` does.
        """
        check_lengths(wavs, wav_lens)
        return num_samples(wavs, wav_lens)

    def views(
        self, wavs: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Computes what the tower hears of each clip.

        Arguments
        ---------
        wavs : torch.Tensor
            ``[batch, time]``: whole clips with fusion, else at most ``clip_samples``.
        lengths : torch.Tensor
            Sample counts, ``[batch]``.

        Returns
        -------
        log_mel : torch.Tensor
            ``[batch, channels, frames, n_mels]``, dB: 4 channels with fusion, else 1.
        longer : torch.Tensor or None
            ``[batch]``, True for clips to be fused; None without fusion.

        Raises
        ------
        ValueError
            If the clips are longer than a window, without fusion.
        """
        if self.takes_whole_clips:
            return self.fusion_views(self.log_mel, wavs, lengths)
        if wavs.shape[1] > self.clip_samples:
            raise ValueError(
                f"this takes clips of at most {self.clip_samples} samples, got "
                f"{wavs.shape[1]}: cut them into windows first "
                "(clap_sb.clips.window_starts)"
            )
        filled = fill(wavs, lengths, self.clip_samples, self.padding)
        return self.log_mel(filled), None

    def classify(
        self, wavs: torch.Tensor, wav_lens: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Scores each class with the head of the tower's AudioSet task.

        Arguments
        ---------
        wavs : torch.Tensor
            ``[batch, time]``, at most ``clip_samples`` long without fusion.
        wav_lens : torch.Tensor, optional
            Relative lengths, ``[batch]``.

        Returns
        -------
        torch.Tensor
            Logits, ``[batch, num_classes]``.

        Raises
        ------
        ValueError
            If the clips are longer than a window, or there is no head.
        """
        if not self.num_classes:
            raise ValueError("this tower has no class head: build it with num_classes")
        return self.classify_log_mel(*self.views(wavs, self.lengths(wavs, wav_lens)))

    @abstractmethod
    def embed_log_mel(
        self, log_mel: torch.Tensor, longer: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Embeds what :meth:`views` gives.

        Arguments
        ---------
        log_mel : torch.Tensor
            ``[batch, channels, frames, n_mels]``, dB.
        longer : torch.Tensor, optional
            ``[batch]``, True for clips to be fused.

        Returns
        -------
        torch.Tensor
            ``[batch, embedding_dim]``.
        """

    def normalise(
        self, log_mel: torch.Tensor, longer: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Normalises each mel band, fuses if that is done here, and augments.

        Arguments
        ---------
        log_mel : torch.Tensor
            ``[batch, channels, frames, n_mels]``, dB.
        longer : torch.Tensor, optional
            ``[batch]``, True for clips to be fused.

        Returns
        -------
        torch.Tensor
            The same shape; one channel after 1-D fusion.

        Raises
        ------
        TypeError
            If the weights are of another type than the log-mel, which is float32.
        """
        weight = next(self.parameters(), log_mel)
        if weight.dtype != log_mel.dtype:
            raise TypeError(
                f"the audio tower's weights are {weight.dtype}, and its log-mel is "
                f"{log_mel.dtype}: leave the weights as they are (float() brings them "
                "back), and compute in less by torch.autocast or --precision bf16"
            )
        x = self.bn0(log_mel.transpose(1, 3)).transpose(1, 3)
        if self.fusion_dims == 1:
            x = self._fuse_in_time(x, longer)
        return self.spec_augment(x)

    def _fuse_in_time(self, x: torch.Tensor, longer: torch.Tensor) -> torch.Tensor:
        """Chunks are shortened to a third each, laid end to end, and fused."""
        x = x.transpose(2, 3)
        whole = x[:, 0]

        def fuse(rows: torch.Tensor) -> torch.Tensor:
            chunks = self.mel_conv1d(x[rows, 1:].flatten(0, 1))
            chunks = chunks.unflatten(0, (-1, NUM_CHUNKS)).transpose(1, 2).flatten(2)
            return self.fusion_model(whole[rows], chunks[:, :, : whole.shape[2]])

        fused = fuse_long_clips(fuse, whole, longer, self.training)
        return fused.transpose(1, 2).unsqueeze(1)
