"""The interface to a ready model."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from clap_sb.checkpoints.run_folder import MODEL_FILE, load_run
from clap_sb.data.audio import AudioError, read_wav, resample
from clap_sb.inference.images import ClipImages
from clap_sb.inference.opening import open_checkpoint
from clap_sb.inference.source import find_checkpoint
from clap_sb.model import CLAP as Model

if TYPE_CHECKING:
    import numpy as np

    from clap_sb.inference.images import Picture

    Waveform = torch.Tensor | np.ndarray

_PUNCTUATION = re.compile(r'[(),.!?;:|*"]')
_INT16 = 32767.0


class CLAP:
    """A ready model: sounds and sentences to embeddings, and how similar they are.

    In the way of the model's family: its sample rate, its rule for short clips, its
    tokens, its logit scale. Clips longer than its window are covered whole. An
    embedding depends on its clip or caption alone.

    Arguments
    ---------
    model : clap_sb.model.CLAP
        The model; it is put into eval mode.
    description : str
        What it is, in words.
    strip_punctuation : bool
        Whether captions lose their punctuation before they are tokenised (WavCaps).
    int16 : bool
        Whether waveforms are rounded to 16 bits first, as LAION-CLAP's interface does
        with files. It changes samples by at most 3.1e-5.

    Example
    -------
    >>> from clap_sb.checkpoints.architecture import Architecture, Part, build
    >>> numbers = {"log_mel": Part("clap_sb.features.LogMel"), "embed_dim": 8}
    >>> shape = {"depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2]}
    >>> tower = Part("clap_sb.encoders.htsat.HTSAT", {**numbers, **shape})
    >>> head = Part("torch.nn.Identity")
    >>> clap = CLAP(build(Architecture("none", "small", tower, head, 64)))
    >>> clap.encode_audio(torch.randn(2, 16000), sample_rate=16000).shape
    torch.Size([2, 64])
    """

    def __init__(
        self,
        model: Model,
        description: str = "",
        strip_punctuation: bool = False,
        int16: bool = False,
    ):
        self.model = model.eval()
        self.description = description
        self.strip_punctuation = strip_punctuation
        self.int16 = int16

    @classmethod
    def from_checkpoint(
        cls,
        path_or_hub_id: str | Path,
        tokenizer: str | Path | None = None,
        device: str | torch.device | None = None,
        int16: bool = False,
    ) -> CLAP:
        """Loads a checkpoint of any family, without being told which.

        Arguments
        ---------
        path_or_hub_id : str or Path
            A public checkpoint (a file or a transformers folder), a name on the
            Hugging Face hub, an export, a training run's folder, or one checkpoint of
            it.
        tokenizer : str or Path, optional
            A folder with the tokenizer, or its name on the hub; found by itself where
            it lies beside the weights or the hub has it. Without one, token tensors and
            audio can still be embedded.
        device : str or torch.device, optional
            Where the model goes; the CPU unless given.
        int16 : bool
            See the class.

        Returns
        -------
        CLAP

        Raises
        ------
        CheckpointError
            If the checkpoint is not to be had, or of no known kind, or does not fit.
        """
        path = find_checkpoint(path_or_hub_id)
        runs = (path, path.parent.parent) if path.is_dir() else ()
        if any((run / MODEL_FILE).is_file() for run in runs):
            run = load_run(path)
            described = f"{run.system}, trained on {run.trained_on}"
            clap = cls(run.clap, described, int16=int16)
        else:
            clap = cls._from_public(path, tokenizer, int16)
        clap.model.to(device or "cpu")
        return clap

    @classmethod
    def _from_public(
        cls, path: Path, tokenizer: str | Path | None, int16: bool
    ) -> CLAP:
        loaded = open_checkpoint(path, tokenizer).loaded
        what = loaded.architecture
        described = f"{what.family}: {what.description}"
        return cls(loaded.clap, described, what.strip_punctuation, int16)

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
        return self.model.logit_scale().item()

    @torch.no_grad()
    def encode_audio(
        self,
        wavs: Waveform | Sequence[Waveform],
        sample_rate: int,
        batch_size: int = 16,
    ) -> torch.Tensor:
        """Embeds waveforms.

        Arguments
        ---------
        wavs : tensor, array, or sequence of them
            One clip ``[time]``, a batch ``[batch, time]``, or a sequence of clips of
            any lengths; mono, in [-1, 1].
        sample_rate : int
            Their sample rate, Hz.
        batch_size : int
            Clips that go through the tower at once; long ones go alone.

        Returns
        -------
        torch.Tensor
            ``[batch, joint_dim]``, unit norm, on the CPU.

        Raises
        ------
        ValueError
            If there is no clip, or one has no samples, several channels, or samples
            that are not finite.
        """
        clips = [self._prepare(wav, sample_rate) for wav in _clips(wavs)]
        if not clips:
            raise ValueError("there is no clip to embed")
        # clips of like length side by side, and those of many windows alone
        order = sorted(range(len(clips)), key=lambda index: len(clips[index]))
        short = [i for i in order if len(clips[i]) <= self.model.clip_samples]
        groups = [
            short[start : start + batch_size]
            for start in range(0, len(short), batch_size)
        ]
        groups += [[index] for index in order[len(short) :]]
        rows = {}
        for group in groups:
            embedding = self._embed([clips[index] for index in group])
            rows.update(zip(group, embedding, strict=True))
        return torch.stack([rows[index] for index in range(len(clips))])

    def _prepare(self, wav: Waveform, sample_rate: int) -> torch.Tensor:
        wav = torch.as_tensor(wav).detach().cpu()
        if wav.dim() != 1 or not len(wav):
            raise ValueError(
                f"a clip has the shape [time] and at least one sample, got "
                f"{list(wav.shape)}: average the channels first"
            )
        if not wav.is_floating_point():
            raise ValueError(
                f"samples are floats in [-1, 1], got {wav.dtype}: divide integers by "
                "their largest value first"
            )
        if not wav.isfinite().all():
            raise ValueError("some samples of a clip are not finite numbers")
        wav = resample(wav.float(), sample_rate, self.sample_rate)
        if self.int16:
            wav = (wav.clamp(-1, 1) * _INT16).trunc() / _INT16
        return wav

    def _embed(self, clips: list[torch.Tensor]) -> torch.Tensor:
        lengths = torch.tensor([len(clip) for clip in clips], dtype=torch.float64)
        wavs = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True)
        wav_lens = (lengths / wavs.shape[1]).to(self.device)
        return self.model.encode_audio(wavs.to(self.device), wav_lens).cpu()

    @torch.no_grad()
    def encode_text(
        self, captions: str | Sequence[str] | dict[str, torch.Tensor]
    ) -> torch.Tensor:
        """Embeds captions.

        Arguments
        ---------
        captions : str, sequence of str, or dict
            Captions, or their tokens (``input_ids``, ``attention_mask``).

        Returns
        -------
        torch.Tensor
            ``[captions, joint_dim]``, unit norm, on the CPU.
        """
        if not isinstance(captions, dict):
            captions = [captions] if isinstance(captions, str) else list(captions)
            if self.strip_punctuation:
                captions = [_without_punctuation(caption) for caption in captions]
        return self.model.encode_text(captions).cpu()

    def embed_files(
        self, paths: Sequence[str | Path], batch_size: int = 16
    ) -> torch.Tensor:
        """Embeds audio files.

        Arguments
        ---------
        paths : sequence of str or Path
            Files in any format that libsndfile reads; channels are averaged.
        batch_size : int
            Files that are read and embedded at once.

        Returns
        -------
        torch.Tensor
            ``[files, joint_dim]``, unit norm, on the CPU.

        Raises
        ------
        AudioError
            If a file cannot be used; it is named.
        """
        if isinstance(paths, (str, Path)):
            paths = [paths]
        parts = []
        for start in range(0, len(paths), batch_size):
            chosen = paths[start : start + batch_size]
            wavs = [read_wav(path, self.sample_rate) for path in chosen]
            parts.append(self.encode_audio(wavs, self.sample_rate, batch_size))
        if not parts:
            raise AudioError("there is no file to embed")
        return torch.cat(parts)

    @functools.cached_property
    def images(self) -> ClipImages:
        """The picture side, where the model's space is a CLIP's."""
        return ClipImages(self.model)

    def encode_image(
        self, images: Picture | Sequence[Picture], clip: str | Path | None = None
    ) -> torch.Tensor:
        """Embeds pictures: ``[images, joint_dim]``; see :meth:`ClipImages.encode`."""
        return self.images.encode(images, clip)

    def encode_video(
        self,
        paths: str | Path | Sequence[str | Path],
        num_frames: int = 8,
        clip: str | Path | None = None,
    ) -> torch.Tensor:
        """Embeds videos by the mean of their pictures; see :class:`ClipImages`."""
        return self.images.encode_video(paths, num_frames, clip)

    def similarity(self, audio: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Compares embeddings.

        Arguments
        ---------
        audio : torch.Tensor
            ``[clips, joint_dim]``, from :meth:`encode_audio`.
        text : torch.Tensor
            ``[captions, joint_dim]``, from :meth:`encode_text`.

        Returns
        -------
        torch.Tensor
            Cosines, ``[clips, captions]``; times ``logit_scale`` they are logits.
        """
        return audio @ text.T


def _clips(wavs: Waveform | Sequence[Waveform]) -> list[Waveform]:
    """One clip each, however they came."""
    if isinstance(wavs, (list, tuple)):
        return list(wavs)
    if wavs.ndim > 2:
        raise ValueError(
            f"waveforms are [time] or [batch, time], got {list(wavs.shape)}: average "
            "the channels first"
        )
    return list(wavs) if wavs.ndim == 2 else [wavs]


def _without_punctuation(caption: str) -> str:
    """WavCaps' own rule: lower case, a space for each sign, doubled spaces once."""
    return _PUNCTUATION.sub(" ", caption.lower()).replace("  ", " ")
