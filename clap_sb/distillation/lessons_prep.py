"""From the sounds of a run to the data sets that its brain is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clap_sb.data.manifest import Clip
from clap_sb.data.whole_clips import WindowCollate
from clap_sb.distillation.lesson_batch import collate_lessons
from clap_sb.distillation.lessons import Lessons
from clap_sb.distillation.student_brain import StudentBrain
from clap_sb.distillation.teacher import Teacher
from clap_sb.distillation.teacher_embeddings import TeacherEmbeddings
from clap_sb.distillation.views import Views
from clap_sb.encoders.projection import TurnedProjection, principal_axes


def lessons_prep(
    brain: StudentBrain,
    hparams: dict[str, Any],
    splits: Mapping[str, Sequence[Clip]],
    teacher: Teacher,
) -> dict[str, Any]:
    """Has the teacher hear the lessons, and makes the data sets of a run.

    Where the joint space is turned, its axes are those of the teacher's embeddings of
    all lessons. A run that is gone on with has its own in its checkpoint.

    Arguments
    ---------
    brain : StudentBrain
        Whose student it is; it is told what the teacher makes of whole clips.
    hparams : dict
        Built settings.
    splits : mapping
        The clips of train, valid and test.
    teacher : Teacher
        The teacher.

    Returns
    -------
    dict
        :class:`~clap_sb.distillation.lessons.Lessons` for train, ``valid_dataset`` each
        for valid and test, or None where there are no clips. A run that only tests has
        no lessons.

    Raises
    ------
    AudioError
        If too many clips cannot be read.
    """
    clap = brain.clap
    loading = {
        "batch_size": hparams["teacher_batch_size"],
        "num_workers": hparams["num_workers"],
    }
    brain.teacher = TeacherEmbeddings(teacher.clap, device=brain.device, **loading)
    hparams["train_dataloader_opts"].setdefault("collate_fn", collate_lessons)
    whole = WindowCollate(clap.clip_samples, clap.takes_whole_clips)
    hparams["valid_dataloader_opts"].setdefault("collate_fn", whole)
    datasets: dict[str, Any] = {
        split: hparams["valid_dataset"](splits[split], clap.sample_rate)
        if splits[split]
        else None
        for split in ("valid", "test")
    }
    if brain.test_only:
        return {**datasets, "train": None}
    views = Views(
        splits["train"],
        hparams["view_rules"],
        hparams["lessons_seed"],
        clap.clip_samples / clap.sample_rate,
        (clap.sample_rate, teacher.clap.sample_rate),
    )
    lessons = Lessons(
        views,
        hparams["views"],
        hparams["lessons_folder"],
        hparams["max_unreadable"],
    )
    heard_by = teacher.clap.to(brain.device)
    shown = not brain.noprogressbar
    lessons.prepare(heard_by, clap.audio_encoder, **loading, progress=shown)
    if isinstance(clap.text_projection, TurnedProjection):
        axes = principal_axes(lessons.targets())
        clap.text_projection.axes.copy_(axes)
    return {**datasets, "train": lessons}
