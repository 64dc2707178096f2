"""Training clips of which the same is heard in each epoch: reading those once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

from clap_sb.data.audio import AudioError
from clap_sb.data.kept_rows import file_stamp
from clap_sb.data.keys import key_of
from clap_sb.data.manifest import Clip
from clap_sb.data.pairs import PairDataset
from clap_sb.loader_worker import leave_signals_to_main

Stamp = tuple[int, int] | None


class HeardWhole:
    """Those clips of a data set that no window is drawn of, with a key for each.

    A key changes with the clip's file, and with what is read of it.

    Arguments
    ---------
    dataset : PairDataset
        The data set.

    Example
    -------
    >>> clips = [Clip("a", "a.wav", 0.5, ("x",)), Clip("b", "b.wav", 9.0, ("y",))]
    >>> heard = HeardWhole(PairDataset(clips, 8000, clip_samples=8000, seed=1))
    >>> list(heard.keys)
    ['a']
    """

    def __init__(self, dataset: PairDataset):
        self.dataset = dataset
        times = Counter(clip.id for clip in dataset.clips)
        # an id that two clips have says of neither what was heard
        self.clips = [
            clip
            for clip in dataset.clips
            if dataset.hears_whole(clip) and times[clip.id] == 1
        ]
        # before the files are read: one that is changed meanwhile is read again
        self._stamps = {clip.id: file_stamp(clip.path) for clip in self.clips}
        span = dataset.sample_rate, dataset.seconds
        self.keys = {
            clip.id: key_of("span", *span, ascii(clip.path), self._stamps[clip.id])
            for clip in self.clips
        }

    def batches(
        self, clips: Sequence[Clip], batch_size: int, num_workers: int
    ) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor]]:
        """Reads some of the clips; those that cannot be read are left out.

        Arguments
        ---------
        clips : sequence of Clip
            Some of ``clips``.
        batch_size : int
            Rows of each batch: where clips are fewer, the first stands for the rest.
        num_workers : int
            Reading processes.

        Yields
        ------
        keys : list of int
            Of the clips that could be read.
        wavs : torch.Tensor
            ``[batch_size, time]``, padded with zeros.
        wav_lens : torch.Tensor
            Relative lengths, ``[batch_size]``, float64.
        """
        read = DataLoader(
            _Waveforms(self.dataset, clips),
            batch_size=batch_size,
            num_workers=num_workers,
            collate_fn=_Padded(batch_size),
            generator=torch.Generator(),  # the global one belongs to training
            worker_init_fn=leave_signals_to_main,
        )
        for ids, wavs, wav_lens in read:
            if ids:
                yield [self.keys[name] for name in ids], wavs, wav_lens

    def read_no_more(self, known: Container[int]) -> dict[str, int]:
        """Has the data set leave out what is known, unless its file changes.

        Arguments
        ---------
        known : container of int
            Keys.

        Returns
        -------
        dict
            The keys of the clips that it leaves out, by id.
        """
        keys = {name: key for name, key in self.keys.items() if key in known}
        self.dataset.is_known = _Unchanged({name: self._stamps[name] for name in keys})
        return keys


@dataclass(frozen=True)
class _Unchanged:
    """Whether a clip's file is as it was; a worker takes it along."""

    stamps: dict[str, Stamp]

    def __call__(self, clip: Clip) -> bool:
        name = clip.id
        return name in self.stamps and self.stamps[name] == file_stamp(clip.path)


@dataclass(frozen=True)
class _Waveforms(Dataset):
    dataset: PairDataset
    clips: Sequence[Clip]

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> tuple[str, torch.Tensor | None]:
        clip = self.clips[index]
        try:
            return clip.id, self.dataset.read(clip)
        except AudioError:  # training tells of it, each time that it tries
            return clip.id, None


@dataclass(frozen=True)
class _Padded:
    size: int

    def __call__(self, items: Sequence[tuple[str, torch.Tensor | None]]) -> tuple:
        found = [(name, wav) for name, wav in items if wav is not None]
        if not found:
            return [], None, None
        wavs = [wav for _, wav in found]
        wavs += wavs[:1] * (self.size - len(wavs))
        padded = pad_sequence(wavs, batch_first=True)
        lengths = torch.tensor([len(wav) for wav in wavs], dtype=torch.float64)
        return [name for name, _ in found], padded, lengths / padded.shape[1]
