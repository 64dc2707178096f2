"""Training pairs: a random window of a clip, or all of it, and one caption or all."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch.utils.data import Dataset, get_worker_info

from clap_sb.data.audio import AudioError, read_wav
from clap_sb.data.item_contract import (
    ItemError,
    check_kind,
    check_texts,
    checked_wav,
)
from clap_sb.data.keys import generator_for, key_of
from clap_sb.data.manifest import Clip
from clap_sb.data.printable import printable


@dataclass(frozen=True)
class Pair:
    """One clip's window, or all of it, and what is said of it.

    Arguments
    ---------
    id : str
        The clip's id.
    wav : torch.Tensor
        ``[time]``.
    caption : str
        The caption drawn.
    others : tuple of str
        The clip's other captions, where all of them are positives.
    label : str or None
        The clip's class, where it has one.
    """

    id: str
    wav: torch.Tensor
    caption: str
    others: tuple[str, ...] = ()
    label: str | None = None

    @property
    def key(self) -> int:
        """Equal for pairs of which none is a negative of another.

        Those of one clip; and those of one class, whose captions, in whatever words,
        are true of all of its clips.

        Example
        -------
        >>> wav = torch.zeros(4)
        >>> rooster = Pair("a", wav, "a rooster crows", label="rooster")
        >>> rooster.key == Pair("b", wav, "a cock", label="rooster").key
        True
        >>> rooster.key == Pair("rooster", wav, "a rooster crows").key
        False
        """
        return clip_key(self.id, self.label)


class PairDataset(Dataset):
    """Draws, for each epoch anew, a window and a caption of each clip.

    An item is asked for by ``(epoch, index)``, as :class:`EpochSampler` does, so that
    workers that live on need not be told the epoch. A file that cannot be read does
    not end a long run: it is warned about, and the next clip takes its place, so that
    batches stay full.

    Arguments
    ---------
    clips : sequence of Clip
        At least one caption each.
    sample_rate : int
        Sample rate of the waveforms, Hz.
    clip_samples : int
        Longer clips give a random window of this length.
    seed : int
        Seed of all draws.
    whole_clips : bool
        Read clips from end to end instead, for towers with feature fusion.
    caption_policy : str
        ``random`` gives the caption drawn; ``all`` gives all of them.
    max_unreadable : float
        Share of the clips that may be found unreadable in training; more are an error.
        Each worker of a loader counts those that it has come upon.

    Attributes
    ----------
    is_known : callable
        ``(clip) -> bool``: whether nobody needs the clip's waveform, for which an empty
        one stands then. False for all, until it is set.

    Raises
    ------
    ValueError
        If there is no clip, or one has no caption, or the share is none.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        sample_rate: int,
        clip_samples: int,
        seed: int,
        whole_clips: bool = False,
        caption_policy: str = "random",
        max_unreadable: float = 1.0,
    ):
        if not clips:
            raise ValueError("there is no clip to train on")
        bare = [clip.id for clip in clips if not clip.captions]
        if bare:
            raise ValueError(f"cannot train on clips without a caption: {bare[:5]}")
        self.clips = list(clips)
        self.sample_rate = sample_rate
        self.seconds = None if whole_clips else clip_samples / sample_rate
        self.seed = seed
        self.takes_all_captions = caption_policy == "all"
        if not 0 <= max_unreadable <= 1:
            raise ValueError(
                f"max_unreadable is a share of the clips, from 0 to 1, not "
                f"{max_unreadable}"
            )
        self.max_unreadable = max_unreadable
        self.is_known: Callable[[Clip], bool] = never_known
        self._unreadable: set[str] = set()

    @property
    def captions_an_item(self) -> int:
        """Captions that a pair has, rounded where they differ."""
        if not self.takes_all_captions:
            return 1
        return round(sum(len(clip.captions) for clip in self.clips) / len(self))

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.clips)

    def __getitem__(self, key: tuple[int, int]) -> Pair:
        """Reads the pair for ``(epoch, index)``."""
        epoch, index = key
        for step in range(len(self)):
            clip = self.clips[(index + step) % len(self)]
            # tried anew each time: a file that is cut short can be read in some
            # epochs, and what is drawn must not depend on the epochs before
            try:
                return self._draw(epoch, clip)
            except AudioError as error:
                self._note(clip, error)
        raise AudioError("not one of the training clips can be read")

    def _note(self, clip: Clip, error: AudioError) -> None:
        """Tells of a clip that cannot be read, and raises where they are too many."""
        if clip.id in self._unreadable:
            return
        self._unreadable.add(clip.id)
        count = len(self._unreadable)
        _warn(f"left out of training ({count} so far): {error}")
        worker = get_worker_info()
        seen = len(self) / (1 if worker is None else worker.num_workers)
        if count > math.ceil(self.max_unreadable * seen):
            raise AudioError(
                f"{count} of about {seen:.0f} training clips cannot be read, and "
                f"max_unreadable allows a share of {self.max_unreadable}: see that the "
                f"disk is mounted and whole; the last was {error}"
            )

    def hears_whole(self, clip: Clip) -> bool:
        """Whether the same is heard of a clip in each epoch.

        Arguments
        ---------
        clip : Clip
            One of the clips.

        Returns
        -------
        bool
        """
        return self.seconds is None or clip.duration <= self.seconds

    def read(self, clip: Clip, position: float = 0.0) -> torch.Tensor:
        """Reads a clip's window, or all of it.

        Arguments
        ---------
        clip : Clip
            One of the clips.
        position : float
            Where the window is, from 0 (begins the clip) to 1 (ends it).

        Returns
        -------
        torch.Tensor
            ``[time]``.

        Raises
        ------
        AudioError
            If the file cannot be read.
        """
        start = 0.0
        if self.seconds is not None:
            start = position * max(0.0, clip.duration - self.seconds)
        return read_wav(clip.path, self.sample_rate, start, self.seconds)

    def _draw(self, epoch: int, clip: Clip) -> Pair:
        generator = generator_for(self.seed, epoch, clip.id)
        position, choice = torch.rand(2, generator=generator, dtype=torch.float64)
        known = self.is_known(clip)
        wav = torch.zeros(0) if known else self.read(clip, float(position))
        drawn = int(choice * len(clip.captions))
        others = clip.captions[:drawn] + clip.captions[drawn + 1 :]
        return Pair(
            clip.id,
            wav,
            clip.captions[drawn],
            label=clip.label,
            others=others if self.takes_all_captions else (),
        )


@dataclass(frozen=True)
class PairBatch:
    """A batch of pairs.

    Arguments
    ---------
    ids : list of str
        Clip ids.
    captions : list of str
        Captions, one a clip or more.
    wavs : torch.Tensor
        ``[clips, time]``, padded with zeros.
    wav_lens : torch.Tensor
        Relative lengths, ``[clips]``; 0 where an empty waveform stands for one that
        nobody needs.
    tokens : dict
        Token tensors, each ``[captions, tokens]``.
    caption_clip : torch.Tensor
        ``[captions]``, int64, which clip of the batch each belongs to.
    clip_keys : torch.Tensor
        ``[captions]``, int64, equal for captions of equal clips and of clips of one
        class.
    caption_keys : torch.Tensor
        ``[captions]``, int64, equal for equal captions.
    """

    ids: list[str]
    captions: list[str]
    wavs: torch.Tensor
    wav_lens: torch.Tensor
    tokens: dict[str, torch.Tensor]
    caption_clip: torch.Tensor
    clip_keys: torch.Tensor
    caption_keys: torch.Tensor

    def to(self, device: str | torch.device) -> PairBatch:
        """Moves all tensors to a device."""
        return self._apply(lambda x: x.to(device, non_blocking=True))

    def pin_memory(self) -> PairBatch:
        """Pins all tensors; the data loader calls it."""
        return self._apply(lambda x: x.pin_memory())

    def _apply(self, function: Callable) -> PairBatch:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        moved = {
            name: function(value)
            for name, value in values.items()
            if isinstance(value, torch.Tensor)
        }
        tokens = {name: function(value) for name, value in self.tokens.items()}
        return replace(self, tokens=tokens, **moved)


@dataclass(frozen=True)
class PairCollate:
    """Makes a batch of pairs; tokenises, so that workers do it.

    Arguments
    ---------
    tokenize : callable
        ``list[str] -> dict`` of token tensors.

    Example
    -------
    >>> collate = PairCollate(lambda captions: {"input_ids": torch.zeros(2, 3)})
    >>> pairs = [Pair("a", torch.ones(4), "x"), Pair("b", torch.ones(2), "y")]
    >>> collate(pairs).wav_lens.tolist()
    [1.0, 0.5]
    """

    tokenize: Callable[[list[str]], dict[str, torch.Tensor]]

    def __call__(self, pairs: Sequence[Pair]) -> PairBatch:
        """Pads the waveforms and tokenises the captions.

        Arguments
        ---------
        pairs : sequence of Pair
            What a data set gave.

        Returns
        -------
        PairBatch

        Raises
        ------
        ItemError
            If one is no pair, or its waveform or captions are of another kind.
        """
        check_kind(pairs, Pair)
        for pair in pairs:
            _check(pair)
        wavs = [checked_wav(pair.wav, pair.id) for pair in pairs]
        told = [(pair.caption, *pair.others) for pair in pairs]
        captions = [caption for of_clip in told for caption in of_clip]
        counts = torch.tensor([len(of_clip) for of_clip in told])
        clip_keys = torch.tensor([pair.key for pair in pairs])
        wavs = torch.nn.utils.rnn.pad_sequence(wavs, batch_first=True)
        # float32 ratios would miss samples of clips of more than a minute
        lengths = torch.tensor([len(pair.wav) for pair in pairs], dtype=torch.float64)
        return PairBatch(
            ids=[pair.id for pair in pairs],
            captions=captions,
            wavs=wavs,
            wav_lens=lengths / max(1, wavs.shape[1]),
            tokens=self.tokenize(captions),
            caption_clip=torch.arange(len(pairs)).repeat_interleave(counts),
            clip_keys=clip_keys.repeat_interleave(counts),
            caption_keys=torch.tensor([caption_key(text) for text in captions]),
        )


def _check(pair: Pair) -> None:
    if pair.id is None or pair.id == "":
        raise ItemError(
            "a pair has no id: pairs of one id are never taken for negatives, so that "
            "each clip has to have its own"
        )
    if not isinstance(pair.caption, str):
        raise ItemError(
            f"caption of {pair.id!r} is a {type(pair.caption).__name__}, and is to be "
            "one text: what else is said of the clip goes into others"
        )
    check_texts(pair.others, pair.id, "others")


def clip_key(clip_id: str, label: str | None) -> int:
    """Identity of what is heard: that of the class, or of the clip where there is none.

    Arguments
    ---------
    clip_id : str
        The clip's id.
    label : str or None
        Its class.

    Returns
    -------
    int

    Example
    -------
    >>> clip_key("a", "dog") == clip_key("b", "dog") != clip_key("dog", None)
    True
    """
    return key_of(clip_id) if label is None else key_of("class", label)


def caption_key(caption: str) -> int:
    """Identity of a caption: case, spaces and a full stop make no difference.

    Arguments
    ---------
    caption : str
        A caption.

    Returns
    -------
    int

    Example
    -------
    >>> caption_key("A dog  barks.") == caption_key("a dog barks")
    True
    """
    return key_of(" ".join(caption.lower().split()).rstrip(" ."))


def never_known(clip: Clip) -> bool:
    """The rule of a data set of which every waveform is needed.

    Arguments
    ---------
    clip : Clip
        A clip.

    Returns
    -------
    bool
        False.
    """
    return False


def _warn(message: str) -> None:
    from speechbrain.utils.logger import get_logger

    # an error names the file, and a log is text; each rank has files of its own
    get_logger(__name__).warning(printable(message), main_process_only=False)
