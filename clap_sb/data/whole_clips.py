"""Whole clips for evaluation: all windows of each clip, and all its captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch.utils.data import Dataset

from clap_sb.data.audio import AudioError, read_wav
from clap_sb.data.crop_rules import CROP_RULES, CropRule
from clap_sb.data.item_contract import check_kind, check_texts, checked_wav
from clap_sb.data.manifest import Clip


@dataclass(frozen=True)
class WholeClip:
    """A clip's waveform, or the reason why there is none.

    Arguments
    ---------
    index : int
        Place of the clip in the data set.
    captions : tuple of str
        All captions.
    wav : torch.Tensor or None
        ``[time]``.
    error : str
        Why ``wav`` is None.
    id : str
        The clip's id.
    """

    index: int
    captions: tuple[str, ...]
    wav: torch.Tensor | None
    error: str = ""
    id: str = ""


class WholeClipDataset(Dataset):
    """Reads clips from end to end.

    Arguments
    ---------
    clips : sequence of Clip
        Clips.
    sample_rate : int
        Sample rate of the waveforms, Hz.
    """

    def __init__(self, clips: Sequence[Clip], sample_rate: int):
        self.clips = list(clips)
        self.sample_rate = sample_rate

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.clips)

    def __getitem__(self, index: int) -> WholeClip:
        """Reads one clip; a bad file becomes an item that tells why."""
        clip = self.clips[index]
        try:
            wav = read_wav(clip.path, self.sample_rate)
        except AudioError as error:
            return WholeClip(index, clip.captions, None, str(error), clip.id)
        return WholeClip(index, clip.captions, wav, id=clip.id)


@dataclass(frozen=True)
class WindowBatch:
    """The windows of some clips, and their captions.

    A clip that is not to be cut is one window, as long as it is.

    Arguments
    ---------
    index : list of int
        Places of the clips in the data set.
    windows : torch.Tensor
        ``[windows, time]``, short ones padded with zeros.
    window_lens : torch.Tensor
        Relative lengths, ``[windows]``, float64: exact for hours.
    window_clip : torch.Tensor
        ``[windows]``, which clip of this batch each belongs to.
    captions : list of str
        All captions of all clips.
    caption_clip : torch.Tensor
        ``[captions]``, which clip of this batch each belongs to.
    unreadable : dict of int to str
        Places of the clips that could not be read, and why.
    silent : list of int
        Places of the clips that hold nothing but digital silence.
    is_embedded : bool
        Whether the windows are what the audio tower gave for them,
        ``[windows, embedding_dim]``: what is known need not be heard again.
    """

    index: list[int]
    windows: torch.Tensor
    window_lens: torch.Tensor
    window_clip: torch.Tensor
    captions: list[str]
    caption_clip: torch.Tensor
    unreadable: dict[int, str]
    silent: list[int]
    is_embedded: bool = False


@dataclass(frozen=True)
class WindowCollate:
    """Cuts clips into windows: unless told otherwise, windows that cover all of it.

    Arguments
    ---------
    clip_samples : int
        Samples in a window.
    whole_clips : bool
        Whether the tower has feature fusion, and most rules leave it the clip whole.
    crop_rule : CropRule
        What of a clip is heard.

    Example
    -------
    >>> clips = [WholeClip(0, ("a",), torch.ones(25)), WholeClip(1, (), torch.ones(5))]
    >>> batch = WindowCollate(10)(clips)
    >>> batch.windows.shape, batch.window_clip.tolist(), batch.window_lens.tolist()
    (torch.Size([4, 10]), [0, 0, 0, 1], [1.0, 1.0, 1.0, 0.5])
    """

    clip_samples: int
    whole_clips: bool = False
    crop_rule: CropRule = CROP_RULES["whole"]

    def __call__(self, clips: Sequence[WholeClip]) -> WindowBatch:
        """Cuts and pads.

        Arguments
        ---------
        clips : sequence of WholeClip
            What a data set gave; those without a sample are as good as unreadable.

        Returns
        -------
        WindowBatch

        Raises
        ------
        ItemError
            If one is no whole clip, or its waveform or captions are of another kind.
        """
        check_kind(clips, WholeClip)
        unreadable, readable = {}, []
        for clip in clips:
            check_texts(clip.captions, clip.id, "captions")
            if clip.wav is None:
                unreadable[clip.index] = clip.error or f"{clip.id}: no reason is given"
            elif not len(wav := checked_wav(clip.wav, clip.id)):
                unreadable[clip.index] = f"{clip.id}: its wav is empty"
            else:
                readable.append(replace(clip, wav=wav))
        windows, owner, captions, caption_owner, silent = [], [], [], [], []
        for place, clip in enumerate(readable):
            cut = self.crop_rule.cut(
                clip.wav, self.clip_samples, clip.id, self.whole_clips
            )
            if not any(window.any() for window in cut):
                silent.append(clip.index)
            windows.extend(cut)
            owner.extend([place] * len(cut))
            captions.extend(clip.captions)
            caption_owner.extend([place] * len(clip.captions))
        padded, lens = self._pad(windows)
        return WindowBatch(
            index=[clip.index for clip in readable],
            windows=padded,
            window_lens=lens,
            window_clip=torch.tensor(owner, dtype=torch.int64),
            captions=captions,
            caption_clip=torch.tensor(caption_owner, dtype=torch.int64),
            unreadable=unreadable,
            silent=silent,
        )

    def _pad(self, windows: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        size = self.clip_samples
        if self.whole_clips:
            size = max(map(len, windows), default=size)
        padded = torch.zeros(len(windows), size)
        for row, window in zip(padded, windows, strict=True):
            row[: len(window)] = window
        lengths = [len(window) for window in windows]
        return padded, torch.tensor(lengths, dtype=torch.float64) / size
