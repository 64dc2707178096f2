"""Evaluation where towers are frozen: what they give is computed once, and kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from clap_sb.data.kept_rows import KeptRows, file_stamp
from clap_sb.data.keys import key_of
from clap_sb.data.manifest import Clip
from clap_sb.data.whole_clips import WholeClipDataset, WindowBatch
from clap_sb.model import CLAP


class FrozenTowers:
    """Stands for a model where whole clips and captions are embedded again and again.

    Numbers are those of the model to the bit where the batches are the same ones. What
    is to be recalled is kept in the shape that it was computed in: clips with all of
    their windows, and captions by the batch.

    Arguments
    ---------
    clap : CLAP
        In eval mode.
    audio : KeptRows, optional
        What its audio tower gave for clips; None where that is not frozen.
    text : KeptRows, optional
        The same of the text tower, for captions.
    dataset : WholeClipDataset, optional
        The clips that will be embedded; not needed without ``audio``.

    Example
    -------
    >>> from clap_sb.objectives.logit_scale import LogitScale
    >>> class Length(torch.nn.Module):
    ...     def forward(self, captions):
    ...         print("computes")
    ...         return torch.tensor([[float(len(text))] for text in captions])
    >>> head = torch.nn.Linear(1, 4)
    >>> clap = CLAP(torch.nn.Identity(), Length(), head, head, LogitScale())
    >>> kept = KeptRows(getfixture("tmp_path") / "text.safetensors")
    >>> towers = FrozenTowers(clap, text=kept)
    >>> first = towers.encode_text(["a dog", "rain"])
    computes
    >>> torch.equal(towers.encode_text(["a dog", "rain"]), first)
    True
    """

    def __init__(
        self,
        clap: CLAP,
        audio: KeptRows | None = None,
        text: KeptRows | None = None,
        dataset: WholeClipDataset | None = None,
    ):
        self.clap = clap
        self.audio = audio
        self.text = text
        self.dataset = dataset
        self._heard: list[torch.Tensor] = []
        # before the files are read: one that is changed meanwhile is read again
        clips = [] if audio is None else dataset.clips
        self._keys = [self._key(clip) for clip in clips]

    @property
    def takes_whole_clips(self) -> bool:
        """As the model's."""
        return self.clap.takes_whole_clips

    def encode_audio(self, wavs: torch.Tensor, wav_lens: torch.Tensor) -> torch.Tensor:
        """Embeds windows, as :meth:`CLAP.encode_audio`; for :meth:`keep` to keep.

        Arguments
        ---------
        wavs : torch.Tensor
            ``[windows, time]``, no longer than the tower takes.
        wav_lens : torch.Tensor
            Relative lengths, ``[windows]``.

        Returns
        -------
        torch.Tensor
            ``[windows, joint_dim]``.
        """
        if self.audio is None:
            return self.clap.encode_audio(wavs, wav_lens)
        embedding = self.clap.audio_encoder(wavs, wav_lens)
        self._heard.append(embedding.cpu())
        return self.project_audio(embedding)

    def project_audio(self, embedding: torch.Tensor) -> torch.Tensor:
        """As :meth:`CLAP.project_audio`.

        Arguments
        ---------
        embedding : torch.Tensor
            ``[windows, embedding_dim]``.

        Returns
        -------
        torch.Tensor
            ``[windows, joint_dim]``.
        """
        return self.clap.project_audio(embedding)

    def encode_text(self, captions: Sequence[str]) -> torch.Tensor:
        """Embeds captions, as :meth:`CLAP.encode_text`.

        Arguments
        ---------
        captions : sequence of str
            Captions of one batch.

        Returns
        -------
        torch.Tensor
            ``[batch, joint_dim]``.
        """
        if self.text is None:
            return self.clap.encode_text(list(captions))
        key = key_of("captions", *captions)
        if key not in self.text:
            self.text.keep(key, self.clap.text_encoder(list(captions)).cpu())
        device = next(self.clap.parameters()).device
        return self.clap.project_text(self.text[key].to(device))

    def keep(self, batch: WindowBatch) -> None:
        """Keeps what was computed for the clips of a batch, after it was embedded.

        Arguments
        ---------
        batch : WindowBatch
            Of ``dataset``.
        """
        if batch.is_embedded or self.audio is None:
            return
        for index in batch.unreadable:
            self.audio.mark(_unreadable(self._keys[index]))
        for index in batch.silent:
            self.audio.mark(_silent(self._keys[index]))
        if not batch.index:
            return
        rows = torch.cat(self._heard)
        self._heard.clear()
        for place, index in enumerate(batch.index):
            self.audio.keep(self._keys[index], rows[batch.window_clip == place])

    def recall(self, batches: Iterable[Sequence[int]]) -> list[WindowBatch] | None:
        """Puts together the batches of a data set that is known.

        A file that could not be read is tried again, since it may be there by now.

        Arguments
        ---------
        batches : iterable of sequence of int
            Places in the data set.

        Returns
        -------
        list of WindowBatch
            None where a clip is new, or its file has changed.
        """
        if self.audio is None:
            return None
        found = []
        for places in batches:
            unreadable = {}
            for place in places:
                if self._keys[place] in self.audio:
                    continue
                tried = self.audio.is_marked(_unreadable(self._keys[place]))
                item = self.dataset[place] if tried else None
                if item is None or item.wav is not None:
                    return None
                unreadable[place] = item.error
            found.append(self._batch(places, unreadable))
        return found

    def _batch(self, places: Sequence[int], unreadable: dict[int, str]) -> WindowBatch:
        index = [place for place in places if place not in unreadable]
        keys = [self._keys[place] for place in index]
        rows = [self.audio[key] for key in keys]
        told = [self.dataset.clips[place].captions for place in index]
        windows = torch.cat(rows) if rows else torch.zeros(0, 0)
        silent = [i for i, k in zip(index, keys, strict=True) if self._is_silent(k)]
        return WindowBatch(
            index=index,
            windows=windows,
            window_lens=torch.ones(len(windows), dtype=torch.float64),
            window_clip=_owners([len(part) for part in rows]),
            captions=[caption for captions in told for caption in captions],
            caption_clip=_owners([len(captions) for captions in told]),
            unreadable=unreadable,
            silent=silent,
            is_embedded=True,
        )

    def _is_silent(self, key: int) -> bool:
        return self.audio.is_marked(_silent(key))

    def _key(self, clip: Clip) -> int:
        tower = self.clap.audio_encoder
        windows = tower.sample_rate, tower.clip_samples, tower.takes_whole_clips
        return key_of("windows", *windows, ascii(clip.path), file_stamp(clip.path))


def _unreadable(key: int) -> int:
    return key_of("unreadable", key)


def _silent(key: int) -> int:
    return key_of("silent", key)


def _owners(counts: list[int]) -> torch.Tensor:
    return torch.arange(len(counts)).repeat_interleave(torch.tensor(counts).long())
