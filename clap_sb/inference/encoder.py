"""Sounds and sentences to embeddings, with a ready model."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from clap_sb.clips import joined_windows
from clap_sb.encoders.caption_tokenizer import (
    check_captions,
    without_punctuation,
)
from clap_sb.encoders.cut_captions import counting
from clap_sb.encoders.text_tower import caption_tokenizer
from clap_sb.inference.audio_input import open_numbered, split_inputs
from clap_sb.inference.run_options import autocast_dtype
from clap_sb.inference.waveform import as_batch
from clap_sb.inference.windows import batched, read_windows
from clap_sb.model import CLAP as Model
from clap_sb.runtimes.choice import (
    AUTO,
    TORCH,
    RuntimeChoiceError,
    check_choice,
    usable,
)

if TYPE_CHECKING:
    from clap_sb.inference.audio_input import AudioInput, AudioSource

_INT16 = 32767.0


class Encoder(nn.Module):
    """A ready model: what it embeds, and how similar that is.

    Clips longer than its window are covered whole; an embedding depends on its clip or
    caption alone.

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
        or ``auto``, the best that is there (docs/runtimes.md).
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
        self._take_runtime(runtime, precision, tell or _warn)

    def _take_runtime(
        self, runtime: str, precision: str, tell: Callable[[str], object]
    ) -> None:
        check_choice(runtime, precision, self.device.type)
        self._elsewhere: tuple[Model, ...] = ()  # in a tuple it is no part of the state
        if runtime == TORCH:
            return
        if not self.freeze_params:
            raise RuntimeChoiceError(
                f"runtime {runtime} gives no gradients: take torch, or freeze_params"
            )
        if runtime == AUTO and not usable(precision, self.device.type, tell):
            return
        # heavy: torch alone does without
        from clap_sb.runtimes.towers import through_runtime

        self._elsewhere = (through_runtime(self.model, runtime, precision, tell),)

    def train(self, mode: bool = True) -> Encoder:
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

    @torch.no_grad()
    def encode_audio(
        self,
        wavs: AudioInput | Sequence[AudioInput],
        sample_rate: int | None = None,
        batch_size: int = 16,
    ) -> torch.Tensor:
        """Embeds sounds of any length, sample rate and number of channels.

        Arguments
        ---------
        wavs : tensor, array, path, open file, data set's sound, or sequence of them
            A tensor is ``[time]``, ``[batch, time]`` or ``[batch, channels, time]``;
            in a sequence each is one clip, ``[time]`` or ``[channels, time]``. Channels
            are averaged; samples are floats in [-1, 1].
        sample_rate : int, optional
            Sample rate of the tensors and arrays, Hz; files and data sets' sounds know
            their own.
        batch_size : int
            Windows that go through the tower, or are read from a file, at once.

        Returns
        -------
        torch.Tensor
            ``[clips, joint_dim]``, unit norm, on the CPU.

        Raises
        ------
        ValueError
            If there is no clip, or one is no waveform.
        AudioError
            If a file cannot be used; it is named.
        """
        clips = split_inputs(wavs)
        total: dict[int, torch.Tensor] = {}
        count: Counter[int] = Counter()
        windows = self._windows(clips, sample_rate, batch_size)
        for group in batched(windows, self.model.clip_samples, batch_size):
            embedding = self.encode_windows([window for _, window in group])
            for (clip, _), row in zip(group, embedding, strict=True):
                total[clip] = total[clip] + row if clip in total else row
                count[clip] += 1
        places = range(len(clips))
        sums = torch.stack([total[place] for place in places])
        return joined_windows(sums, torch.tensor([count[place] for place in places]))

    def _windows(
        self, clips: Sequence[AudioInput], sample_rate: int | None, at_once: int
    ) -> Iterator[tuple[int, torch.Tensor]]:
        """Each clip's windows; a tower with feature fusion gets its clips whole."""
        for index in range(len(clips)):
            with open_numbered(clips, index, sample_rate, self.sample_rate) as sound:
                size = self.model.clip_samples
                if self.model.takes_whole_clips:
                    size = max(size, sound.num_samples)
                for window in read_windows(sound, size, at_once=at_once):
                    yield index, window

    def encode_windows(self, windows: list[torch.Tensor]) -> torch.Tensor:
        """Embeds windows, all of them at once.

        Arguments
        ---------
        windows : list of torch.Tensor
            Each ``[time]``, at :attr:`sample_rate`.

        Returns
        -------
        torch.Tensor
            ``[windows, joint_dim]``, unit norm, on the CPU.
        """
        return self._encode_heard(*self.padded(windows)).cpu()

    def padded(self, windows: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """A batch of windows, as the tower hears them.

        Arguments
        ---------
        windows : list of torch.Tensor
            Each ``[time]``, at :attr:`sample_rate`.

        Returns
        -------
        wavs : torch.Tensor
            ``[windows, time]``, on the model's device.
        wav_lens : torch.Tensor
            Relative lengths, ``[windows]``, float64: exact for hours.
        """
        wavs = nn.utils.rnn.pad_sequence(windows, batch_first=True)
        lengths = torch.tensor([len(wav) for wav in windows], dtype=torch.float64)
        return self._heard(wavs), (lengths / wavs.shape[1]).to(self.device)

    def embed_files(
        self, paths: AudioSource | Sequence[AudioSource], batch_size: int = 16
    ) -> torch.Tensor:
        """Embeds audio files; of long ones, no more than a few windows are in memory.

        The same as :meth:`encode_audio`, for paths and open files.
        """
        return self.encode_audio(paths, batch_size=batch_size)

    @torch.no_grad()
    def encode_text(
        self,
        captions: str | Sequence[str] | Mapping[str, torch.Tensor],
        batch_size: int = 64,
    ) -> torch.Tensor:
        """Embeds captions; of those that are too long, a warning tells how many.

        Arguments
        ---------
        captions : str, sequence of str, or mapping
            Captions, or their tokens (``input_ids``, ``attention_mask``).
        batch_size : int
            Captions that go through the tower at once.

        Returns
        -------
        torch.Tensor
            ``[captions, joint_dim]``, unit norm, on the CPU.

        Raises
        ------
        ValueError
            If there is no caption, or one is empty, or no text; its place in the list
            is named.
        """
        if isinstance(captions, Mapping):
            groups = [dict(captions)]
        else:
            captions = _listed(captions)
            self._check_captions(captions)
            starts = range(0, len(captions), batch_size)
            groups = [captions[start : start + batch_size] for start in starts]
        with self.autocast(), counting() as cut:
            rows = torch.cat([self.computed.encode_text(g).cpu() for g in groups])
        cut.tell()
        return rows

    def _check_captions(self, captions: list[str]) -> None:
        """All of them, before they are divided: a place is that in the whole list."""
        check_captions(captions)
        tokenize = caption_tokenizer(self.model.text_encoder)
        if tokenize is not None and tokenize.strip_punctuation:
            check_captions([without_punctuation(caption) for caption in captions])

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
            Cosines, ``[clips, captions]``, on the device of ``audio``.
        """
        # encode_batch gives what is on the model's device, encode_text on the CPU
        return audio @ text.to(audio.device).T

    def logits(self, audio: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Compares embeddings on the scale that the model was trained with.

        Arguments
        ---------
        audio : torch.Tensor
            ``[clips, joint_dim]``, from :meth:`encode_audio`.
        text : torch.Tensor
            ``[captions, joint_dim]``, from :meth:`encode_text`.

        Returns
        -------
        torch.Tensor
            :meth:`similarity` times :attr:`logit_scale`, plus :attr:`logit_bias` where
            there is one, ``[clips, captions]``.
        """
        return self.model.logit_scale(self.similarity(audio, text))

    def log_probability(self, audio: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Logarithms of probabilities, in the sense that the model was trained in.

        Without a bias, that a caption is the one among these that fits a clip: the
        softmax of the logits. With a bias, that a caption fits a clip, whatever the
        others do: the sigmoid of the logits, as SigLIP (2303.15343) learns it; those of
        a clip do not add up to 1.

        Arguments
        ---------
        audio : torch.Tensor
            ``[clips, joint_dim]``, from :meth:`encode_audio`.
        text : torch.Tensor
            ``[captions, joint_dim]``, from :meth:`encode_text`.

        Returns
        -------
        torch.Tensor
            ``[clips, captions]``.
        """
        logits = self.logits(audio, text)
        if self.logit_bias is None:
            return logits.log_softmax(-1)
        return F.logsigmoid(logits)

    def autocast(self) -> torch.autocast:
        """The context that the towers run in, by the precision that was chosen."""
        dtype = self.autocast_dtype
        return torch.autocast(self.device.type, dtype, enabled=dtype is not None)


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=2)


def _listed(captions: str | Iterable[str]) -> list[str]:
    if isinstance(captions, str):
        return [captions]
    try:
        return list(captions)
    except TypeError:
        raise ValueError(
            f"captions are a text or a list of texts, got {type(captions).__name__}"
        ) from None
