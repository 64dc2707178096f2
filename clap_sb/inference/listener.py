"""A ready model's way from windows of sound to embeddings."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

from clap_sb.encoders.audio_tower import AudioTower
from clap_sb.inference.run_options import autocast_dtype
from clap_sb.inference.tower_threads import MOST
from clap_sb.inference.waveform import as_batch
from clap_sb.model import CLAP as Model
from clap_sb.runtimes.choice import TORCH, taken

READERS = min(4, os.cpu_count() or 1)
"""Threads that read, decode and resample ahead of the towers."""

_INT16 = 32767.0


class Heard(NamedTuple):
    """What an audio tower is about to embed.

    Arguments
    ---------
    first : torch.Tensor
        For our towers the log-mel, ``[windows, channels, frames, n_mels]``; for others
        the waveforms, ``[windows, time]``.
    second : torch.Tensor or None
        For our towers which clips are to be fused, if any can be; for others the
        relative lengths.
    """

    first: torch.Tensor
    second: torch.Tensor | None


class Listener(nn.Module):
    """A ready model that hears windows: first by its front end, then by its tower.

    The first step may run in another thread, ahead of the second.

    Arguments
    ---------
    model : clap_sb.model.CLAP
        The model.
    int16 : bool
        Whether waveforms are rounded to 16 bits first, as LAION-CLAP's interface does
        with files. It changes samples by at most 3.1e-5.
    freeze_params : bool
        Whether the model stays in eval mode and takes no gradients, as in SpeechBrain's
        interfaces; without, :meth:`encode_batch` can be trained through.
    precision : str
        ``fp32``, or the towers' autocast: ``bf16``, ``fp16``.
    runtime : str
        What computes the towers: ``torch``, or on a CPU ``openvino``, ``onnxruntime``,
        or ``auto``, the first of them that is there and right (docs/runtimes.md).
    tell : callable, optional
        Called with a line where a runtime makes one wait, or ``auto`` takes torch; a
        warning unless given.

    Raises
    ------
    RuntimeChoiceError
        If the runtime is not to be had, or is asked for gradients.
    """

    def __init__(
        self,
        model: Model,
        int16: bool = False,
        freeze_params: bool = True,
        precision: str = "fp32",
        runtime: str = TORCH,
        tell: Callable[[str], object] | None = None,
    ):
        super().__init__()
        self.mods = nn.ModuleDict({"clap": model})
        self.int16 = int16
        self.freeze_params = freeze_params
        self.autocast_dtype = autocast_dtype(precision)
        self.eval()
        if freeze_params:
            self.requires_grad_(False)
        how = (runtime, precision, self.device.type, freeze_params, tell or _warn)
        found = taken(model, *how)
        # in a tuple it is no part of the state
        self._elsewhere = () if found is None else (found,)

    def train(self, mode: bool = True) -> Listener:
        """Sets the mode; a frozen model stays in eval mode, whoever asks."""
        return super().train(mode and not self.freeze_params)

    @property
    def model(self) -> Model:
        """The model itself."""
        return self.mods["clap"]

    @property
    def computed(self) -> Model:
        """The model as it is computed: itself, or with towers of another runtime."""
        return self._elsewhere[0] if self._elsewhere else self.model

    @property
    def sample_rate(self) -> int:
        """Sample rate that the audio tower hears, Hz."""
        return self.model.sample_rate

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    @property
    def logit_scale(self) -> float:
        """Factor from similarities to logits."""
        return self.model.logit_scale.scale().item()

    @property
    def logit_bias(self) -> float | None:
        """What is added to the scaled similarities; None if the model has no bias."""
        bias = self.model.logit_scale.bias
        return None if bias is None else bias.item()

    @property
    def tower_workers(self) -> int:
        """Threads that may compute the tower side by side, each on a batch.

        One where it has a device or threads of its own, is in training, or is not one
        of ours, which may keep something while it computes.
        """
        is_ours = isinstance(self.model.audio_encoder, AudioTower)
        if self._elsewhere or self.model.training or not is_ours:
            return 1
        return min(torch.get_num_threads(), MOST) if self.device.type == "cpu" else 1

    def forward(
        self, wavs: torch.Tensor, wav_lens: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The same as :meth:`encode_batch`."""
        return self.encode_batch(wavs, wav_lens)

    def encode_batch(
        self, wavs: torch.Tensor, wav_lens: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Embeds a batch as SpeechBrain's interfaces do: on the model's device.

        Arguments
        ---------
        wavs : torch.Tensor
            ``[batch, time]``, or ``[time]``, at :attr:`sample_rate`; floats in [-1, 1].
        wav_lens : torch.Tensor, optional
            Relative lengths, ``[batch]``, in (0, 1]; in float64 for clips of over a
            minute. What they hold is looked at, for which a GPU is waited.

        Returns
        -------
        torch.Tensor
            ``[batch, joint_dim]``, unit norm; with gradients unless frozen.

        Raises
        ------
        ValueError
            If it is no such batch, or the lengths are not relative, or not one a clip.
        """
        return self._encode_heard(*as_batch(wavs, wav_lens))

    def _encode_heard(
        self, wavs: torch.Tensor, wav_lens: torch.Tensor | None
    ) -> torch.Tensor:
        if wav_lens is not None:
            wav_lens = wav_lens.to(self.device)
        with self.autocast():
            return self.computed.encode_audio(self._heard(wavs), wav_lens)

    def _heard(self, wavs: torch.Tensor) -> torch.Tensor:
        if self.int16:
            wavs = (wavs.clamp(-1, 1) * _INT16).trunc() / _INT16
        return wavs.float().to(self.device)

    def hear(self, windows: list[torch.Tensor]) -> Heard:
        """The front end: what the tower is to embed.

        Arguments
        ---------
        windows : list of torch.Tensor
            Each ``[time]``, at :attr:`sample_rate`.

        Returns
        -------
        Heard
            On the model's device.
        """
        wavs, wav_lens = self._padded(windows)
        tower = self.model.audio_encoder
        if not isinstance(tower, AudioTower):
            return Heard(wavs, wav_lens)
        with self.autocast():
            return Heard(*tower.views(wavs, tower.lengths(wavs, wav_lens)))

    def encode_heard(self, heard: Heard) -> torch.Tensor:
        """The tower and its projection.

        Arguments
        ---------
        heard : Heard
            From :meth:`hear`.

        Returns
        -------
        torch.Tensor
            ``[windows, joint_dim]``, unit norm, on the CPU.
        """
        model = self.computed
        with self.autocast():
            if not isinstance(self.model.audio_encoder, AudioTower):
                return model.encode_audio(*heard).cpu()
            return model.project_audio(model.audio_encoder.embed_log_mel(*heard)).cpu()

    @torch.no_grad()
    def hear_unlearned(self, windows: list[torch.Tensor]) -> Heard:
        """:meth:`hear` without gradients, which a thread has to be told."""
        return self.hear(windows)

    def _padded(self, windows: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """``[windows, time]`` on the model's device, and relative lengths, float64."""
        wavs = nn.utils.rnn.pad_sequence(windows, batch_first=True)
        lengths = torch.tensor([len(wav) for wav in windows], dtype=torch.float64)
        return self._heard(wavs), (lengths / wavs.shape[1]).to(self.device)

    def autocast(self) -> torch.autocast:
        """The context that the towers run in, by the precision that was chosen."""
        dtype = self.autocast_dtype
        return torch.autocast(self.device.type, dtype, enabled=dtype is not None)


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=2)
