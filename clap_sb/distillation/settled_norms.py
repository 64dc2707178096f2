"""Batch statistics of what is heard in earnest: without masks, and over many sounds."""

from __future__ import annotations

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from clap_sb.distillation.audio_half import AudioHalf
from clap_sb.distillation.lesson_batch import collate_lessons
from clap_sb.distillation.lessons import Lessons

_BATCH = 64


@torch.no_grad()
def settle_norms(student: AudioHalf, lessons: Lessons, most: int) -> None:
    """Takes the running means of a student anew, over lessons as they are.

    In training they follow the last batches of masked and recoloured sounds, with the
    weights of then. Those of a batch have no part in training, and so nothing of it
    changes; a frozen tower keeps its own.

    Arguments
    ---------
    student : AudioHalf
        The student, not wrapped; it is left in the mode that it is in.
    lessons : Lessons
        What it is taught with.
    most : int
        Lessons that are heard, evenly spread over all.
    """
    norms = [
        part
        for part in student.clap.audio_encoder.modules()
        if isinstance(part, _BatchNorm) and part.weight.requires_grad
    ]
    modes = {part: part.training for part in student.modules()}
    momenta = {norm: norm.momentum for norm in norms}
    student.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
        norm.train()
    device = next(student.clap.audio_projection.parameters()).device
    places = torch.linspace(0, len(lessons) - 1, min(most, len(lessons))).int().tolist()
    # each batch has lessons of all places: one of a single sound would have no spread
    batches = -(-len(places) // _BATCH)
    for first in range(batches):
        batch = collate_lessons([lessons[0, p] for p in places[first::batches]])
        student(batch.log_mel.to(device))
    for norm in norms:
        norm.momentum = momenta[norm]
    for part, mode in modes.items():
        part.training = mode
