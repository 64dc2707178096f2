"""Embeds whole clips, window by window, whatever their length."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import torch

from clap_sb.clips import joined_windows
from clap_sb.data.crop_rules import CROP_RULES, CropRule
from clap_sb.data.item_contract import ItemError
from clap_sb.data.manifest import Clip
from clap_sb.data.whole_clips import WholeClipDataset, WindowBatch, WindowCollate
from clap_sb.encoders.cut_captions import counting
from clap_sb.evaluation.finite_clips import finite_clips
from clap_sb.loader_worker import leave_signals_to_main
from clap_sb.model import CLAP
from clap_sb.progress import progress as told


@dataclass
class Embedded:
    """Embeddings of a set of clips, and of their captions where asked for.

    Arguments
    ---------
    clips : list of Clip
        The clips that could be used, in their order.
    audio : torch.Tensor
        ``[clips, joint_dim]``, unit norm, on the CPU.
    captions : list of str
        All captions of all clips.
    text : torch.Tensor
        ``[captions, joint_dim]``, unit norm, on the CPU.
    caption_clip : torch.Tensor
        Place in ``clips`` of each caption's clip, ``[captions]``.
    unreadable : dict of str to str
        Ids of the clips that could not be read, or have an embedding, or a caption
        with one, that is not finite; and why.
    silent : list of str
        Ids of clips that hold nothing but digital silence; they are kept.
    crop_rule : str
        What of a clip was heard, in words.
    not_finite : list of str
        Those of the ``unreadable`` that could be read.
    """

    clips: list[Clip]
    audio: torch.Tensor
    captions: list[str] = field(default_factory=list)
    text: torch.Tensor = field(default_factory=lambda: torch.zeros(0, 0))
    caption_clip: torch.Tensor = field(
        default_factory=lambda: torch.zeros(0, dtype=torch.int64)
    )
    unreadable: dict[str, str] = field(default_factory=dict)
    silent: list[str] = field(default_factory=list)
    crop_rule: str = CROP_RULES["whole"].describe(False)
    not_finite: list[str] = field(default_factory=list)

    def part(self, clips: Sequence[Clip]) -> Embedded:
        """What it holds of some of the clips, and of some of their captions.

        An embedding depends on its clip alone: the part is what embedding these clips
        would give.

        Arguments
        ---------
        clips : sequence of Clip
            Clips that were to be embedded, with captions that were.

        Returns
        -------
        Embedded
        """
        place = {_name(clip): index for index, clip in enumerate(self.clips)}
        kept = [clip for clip in clips if _name(clip) in place]
        rows = [place[_name(clip)] for clip in kept]
        owners = zip(self.caption_clip.tolist(), self.captions, strict=True)
        caption_place = {owner: index for index, owner in enumerate(owners)}
        found = [
            (index, caption_place[row, caption])
            for index, (row, clip) in enumerate(zip(rows, kept, strict=True))
            for caption in (clip.captions if self.captions else ())
        ]
        asked = {clip.id for clip in clips}
        return replace(
            self,
            clips=kept,
            audio=self.audio[rows],
            captions=[self.captions[index] for _, index in found],
            text=self.text[[index for _, index in found]],
            caption_clip=torch.tensor([i for i, _ in found], dtype=torch.int64),
            unreadable={i: why for i, why in self.unreadable.items() if i in asked},
            silent=[clip_id for clip_id in self.silent if clip_id in asked],
            not_finite=[clip_id for clip_id in self.not_finite if clip_id in asked],
        )


def _name(clip: Clip) -> tuple[str, str]:
    return clip.id, clip.path


class Embedder:
    """Collects the embeddings of a set of clips, batch by batch.

    Arguments
    ---------
    clips : sequence of Clip
        The set that the batches are drawn from.
    device : str or torch.device
        Where the model is.
    max_windows : int
        Windows that go through the audio tower at once; a long clip has many.
    crop_rule : CropRule
        The rule that the batches were cut by.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        device: str | torch.device = "cpu",
        max_windows: int = 32,
        crop_rule: CropRule = CROP_RULES["whole"],
    ):
        self.clips = clips
        self.device = device
        self.max_windows = max_windows
        self._audio: list[torch.Tensor] = []
        self._text: list[torch.Tensor] = []
        self._captions: list[str] = []
        self._caption_clip: list[torch.Tensor] = []
        self._index: list[int] = []
        self._silent: list[int] = []
        self._unreadable: dict[int, str] = {}
        self._places: set[int] = set()
        self.crop_rule = crop_rule
        self._heard = crop_rule.describe(False)

    @torch.no_grad()
    def add(
        self, clap: CLAP, batch: WindowBatch, with_captions: bool = True
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Embeds a batch.

        Arguments
        ---------
        clap : CLAP
            In eval mode.
        batch : WindowBatch
            Windows and captions of some clips.
        with_captions : bool
            Whether the captions are embedded too.

        Returns
        -------
        audio : torch.Tensor
            ``[clips, joint_dim]``, on the CPU.
        text : torch.Tensor
            ``[captions, joint_dim]``, on the CPU.

        Raises
        ------
        ItemError
            If a clip's place is none in the set, or was taken before, or its captions
            are not those that the set tells of.
        """
        self._check_places(batch, with_captions)
        self._heard = self.crop_rule.describe(clap.takes_whole_clips)
        audio = self._embed_windows(clap, batch)
        start = sum(map(len, self._audio))
        self._audio.append(audio)
        self._index += batch.index
        self._unreadable |= batch.unreadable
        self._silent += batch.silent
        text = torch.zeros(0, 0)
        if with_captions and batch.captions:
            text = embed_captions(clap, batch.captions)
            self._text.append(text)
            self._captions += batch.captions
            self._caption_clip.append(batch.caption_clip + start)
        return audio, text

    def _check_places(self, batch: WindowBatch, with_captions: bool) -> None:
        """Scores would be of other clips than they name."""
        for place in (*batch.index, *batch.unreadable):
            if place not in range(len(self.clips)) or place in self._places:
                raise ItemError(
                    f"index is {place!r} for a clip, which is no place in a set of "
                    f"{len(self.clips)}, or that of another one: a WholeClip has the "
                    "index that it was asked for by"
                )
            self._places.add(place)
        if not with_captions:
            return
        told: list[list[str]] = [[] for _ in batch.index]
        for owner, caption in zip(batch.caption_clip, batch.captions, strict=True):
            told[owner].append(caption)
        for place, captions in zip(batch.index, told, strict=True):
            clip = self.clips[place]
            if captions != list(clip.captions):
                raise ItemError(
                    f"clip {clip.id!r} has the captions {list(clip.captions)} in the "
                    f"set's clips, and {captions} in its item {place}: they are to be "
                    "the same, in one order"
                )

    def _embed_windows(self, clap: CLAP, batch: WindowBatch) -> torch.Tensor:
        def embed(windows: torch.Tensor, lens: torch.Tensor) -> torch.Tensor:
            if batch.is_embedded:
                return clap.project_audio(windows.to(self.device))
            return clap.encode_audio(windows.to(self.device), lens.to(self.device))

        parts = [
            embed(windows, lens).cpu()
            for windows, lens in zip(
                batch.windows.split(self.max_windows),
                batch.window_lens.split(self.max_windows),
                strict=True,
            )
            if len(windows)
        ]
        if not parts:
            return torch.zeros(0, 0)
        windows = torch.cat(parts)
        total = windows.new_zeros(len(batch.index), windows.shape[1])
        total.index_add_(0, batch.window_clip, windows)
        return joined_windows(total, batch.window_clip.bincount(minlength=len(total)))

    def result(self) -> Embedded:
        """Everything collected so far.

        Returns
        -------
        Embedded
            Without clips of which something is not finite.

        Raises
        ------
        ValueError
            If not one clip could be used; the first reason is told.
        """
        audio = [part for part in self._audio if len(part)]
        if not audio:
            reason = next(iter(self._unreadable.values()), "there are none")
            raise ValueError(f"not one clip could be embedded: {reason}")
        nothing = torch.zeros(0, audio[0].shape[1])
        no_owner = torch.zeros(0, dtype=torch.int64)
        found = Embedded(
            clips=[self.clips[index] for index in self._index],
            audio=torch.cat(audio),
            captions=self._captions,
            text=torch.cat([nothing, *self._text]),
            caption_clip=torch.cat([no_owner, *self._caption_clip]),
            unreadable={self.clips[i].id: why for i, why in self._unreadable.items()},
            silent=[self.clips[index].id for index in self._silent],
            crop_rule=self._heard,
        )
        found = finite_clips(found)
        if not found.clips:
            reason = next(iter(found.unreadable.values()))
            raise ValueError(f"not one clip could be embedded: {reason}")
        return found


@torch.no_grad()
def embed_captions(
    clap: CLAP, captions: Sequence[str], batch_size: int = 64
) -> torch.Tensor:
    """Embeds captions.

    Arguments
    ---------
    clap : CLAP
        In eval mode.
    captions : sequence of str
        Captions.
    batch_size : int
        Captions that go through the text tower at once.

    Returns
    -------
    torch.Tensor
        ``[captions, joint_dim]``, on the CPU.
    """
    with counting() as cut:
        parts = [
            clap.encode_text(list(captions[start : start + batch_size])).cpu()
            for start in range(0, len(captions), batch_size)
        ]
    cut.tell()
    return torch.cat(parts)


def embed_clips(
    clap: CLAP,
    clips: Sequence[Clip],
    batch_size: int = 16,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    with_captions: bool = True,
    progress: bool = False,
    crop_rule: CropRule = CROP_RULES["whole"],
) -> Embedded:
    """Embeds clips, and their captions, with a model.

    Arguments
    ---------
    clap : CLAP
        The model; it is put into eval mode.
    clips : sequence of Clip
        Clips; those that cannot be read are left out and counted.
    batch_size : int
        Clips a batch.
    num_workers : int
        Reading processes.
    device : str or torch.device
        Where the model is.
    with_captions : bool
        Whether the captions are embedded too.
    progress : bool
        Whether it is told how far it is.
    crop_rule : CropRule
        What of a clip is heard.

    Returns
    -------
    Embedded
    """
    clap.eval()
    embedder = Embedder(clips, device, crop_rule=crop_rule)
    loader: Iterable[WindowBatch] = torch.utils.data.DataLoader(
        WholeClipDataset(clips, clap.sample_rate),
        batch_size=batch_size,
        num_workers=num_workers,
        collate_fn=WindowCollate(clap.clip_samples, clap.takes_whole_clips, crop_rule),
        # a generator of its own: the global one belongs to training
        generator=torch.Generator(),
        worker_init_fn=leave_signals_to_main,
    )
    for batch in told(loader, about="embedding", unit="batch", shown=progress):
        embedder.add(clap, batch, with_captions)
    return embedder.result()
