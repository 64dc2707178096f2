"""Sounds and sentences to embeddings, with a ready model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from clap_sb.clips import joined_windows
from clap_sb.encoders.caption_tokenizer import (
    check_captions,
    without_punctuation,
)
from clap_sb.encoders.cut_captions import counting
from clap_sb.encoders.text_tower import caption_tokenizer
from clap_sb.inference.ahead import side_by_side, threads
from clap_sb.inference.audio_input import is_independent, open_numbered, split_inputs
from clap_sb.inference.encoded_ahead import encoded_ahead
from clap_sb.inference.listener import READERS, Listener
from clap_sb.inference.windows import batched, check_batch_size, read_windows

if TYPE_CHECKING:
    from clap_sb.inference.audio_input import AudioInput, AudioSource


class Encoder(Listener):
    """A ready model: what it embeds, and how similar that is.

    Clips longer than its window are covered whole; an embedding depends on its clip or
    caption alone.

    Arguments
    ---------
    model, **options
        See :class:`~clap_sb.inference.listener.Listener`.
    """

    @torch.no_grad()
    def encode_audio(
        self,
        wavs: AudioInput | Sequence[AudioInput],
        sample_rate: int | None = None,
        batch_size: int = 16,
        turn: AbstractContextManager[object] | None = None,
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
        turn : context manager, optional
            Entered for each batch that goes through the tower, and left in between: a
            lock, where the model is others' too. Batches go one by one then.

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
        for places, embedding in self._embedded(clips, sample_rate, batch_size, turn):
            for clip, row in zip(places, embedding, strict=True):
                total[clip] = total[clip] + row if clip in total else row
                count[clip] += 1
        places = range(len(clips))
        sums = torch.stack([total[place] for place in places])
        return joined_windows(sums, torch.tensor([count[place] for place in places]))

    def _embedded(
        self,
        clips: Sequence[AudioInput],
        sample_rate: int | None,
        batch_size: int,
        turn: AbstractContextManager[object] | None,
    ) -> Iterator[tuple[list[int], torch.Tensor]]:
        """Whose windows they are, and their embeddings, a batch at a time.

        What is read is some clips ahead of what is embedded.
        """
        streams = (
            self._windows(clips, index, sample_rate, batch_size)
            for index in range(len(clips))
        )
        # an open file may be named twice, and is at one place at a time
        together = 2 * READERS if all(map(is_independent, clips)) else 1
        with (
            threads(READERS) as readers,
            closing(side_by_side(readers, streams, together)) as windows,
        ):
            groups = (
                ([clip for clip, _ in group], [window for _, window in group])
                for group in batched(windows, self.model.clip_samples, batch_size)
            )
            with closing(encoded_ahead(self, groups, turn=turn)) as embedded:
                yield from embedded

    def _windows(
        self,
        clips: Sequence[AudioInput],
        index: int,
        sample_rate: int | None,
        at_once: int,
    ) -> Iterator[tuple[int, torch.Tensor]]:
        """A clip's windows; a tower with feature fusion gets its clips whole."""
        with open_numbered(clips, index, sample_rate, self.sample_rate) as sound:
            size = self.model.clip_samples
            if self.model.takes_whole_clips:
                size = max(size, sound.num_samples)
            for window in read_windows(sound, size, at_once=at_once):
                yield index, window

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
            starts = range(0, len(captions), check_batch_size(batch_size))
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


def _listed(captions: str | Iterable[str]) -> list[str]:
    if isinstance(captions, str):
        return [captions]
    try:
        return list(captions)
    except TypeError:
        raise ValueError(
            f"captions are a text or a list of texts, got {type(captions).__name__}"
        ) from None
