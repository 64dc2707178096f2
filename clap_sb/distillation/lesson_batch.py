"""One lesson, and a batch of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from clap_sb.data.pairs import clip_key


@dataclass(frozen=True)
class Lesson:
    """One view, as the student hears it.

    Arguments
    ---------
    id : str
        The clip's id.
    log_mel : torch.Tensor
        ``[1, frames, n_mels]``, dB, float16.
    target : torch.Tensor
        ``[joint_dim]``, the teacher's embedding.
    """

    id: str
    log_mel: torch.Tensor
    target: torch.Tensor


@dataclass(frozen=True)
class LessonBatch:
    """A batch of lessons; each clip's embedding has the place of its only caption.

    Arguments
    ---------
    ids : list of str
        Clip ids.
    log_mel : torch.Tensor
        ``[batch, 1, frames, n_mels]``, dB, float32.
    target : torch.Tensor
        ``[batch, joint_dim]``, unit norm.
    """

    ids: list[str]
    log_mel: torch.Tensor
    target: torch.Tensor

    @property
    def wavs(self) -> torch.Tensor:
        """What is heard of each clip, ``[batch, numbers]``."""
        return self.log_mel.flatten(1)

    @property
    def caption_clip(self) -> torch.Tensor:
        """``[batch]``, which clip each row belongs to."""
        return torch.arange(len(self.ids))

    @property
    def clip_keys(self) -> torch.Tensor:
        """``[batch]``, equal for views of one clip."""
        return torch.tensor([clip_key(name, None) for name in self.ids])

    caption_keys = clip_keys

    def to(self, device: str | torch.device) -> LessonBatch:
        """Moves all tensors to a device."""
        moved = (x.to(device, non_blocking=True) for x in (self.log_mel, self.target))
        return LessonBatch(self.ids, *moved)

    def pin_memory(self) -> LessonBatch:
        """Pins all tensors; the data loader calls it."""
        pinned = (x.pin_memory() for x in (self.log_mel, self.target))
        return LessonBatch(self.ids, *pinned)


def collate_lessons(lessons: Sequence[Lesson]) -> LessonBatch:
    """Makes a batch of lessons.

    Arguments
    ---------
    lessons : sequence of Lesson
        Lessons, which are all of one length.

    Returns
    -------
    LessonBatch

    Example
    -------
    >>> lesson = Lesson("a", torch.zeros(1, 5, 4).half(), torch.ones(2))
    >>> collate_lessons([lesson, lesson]).log_mel.dtype
    torch.float32
    """
    return LessonBatch(
        [lesson.id for lesson in lessons],
        torch.stack([lesson.log_mel for lesson in lessons]).float(),
        torch.stack([lesson.target for lesson in lessons]),
    )
