"""StudentBrain: SpeechBrain's training loop for a student of a CLAP teacher."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import clap_sb.training  # noqa: F401  before SpeechBrain: says what it lacks

# isort: split
import speechbrain as sb
import torch

from clap_sb.brain import CLAPBrain
from clap_sb.distillation.lesson_batch import LessonBatch
from clap_sb.distillation.settled_norms import settle_norms
from clap_sb.distillation.teacher_embeddings import TeacherEmbeddings
from clap_sb.encoders.projection import TurnedProjection
from clap_sb.evaluation.agreement import Agreement, agreement
from clap_sb.model import CLAP
from clap_sb.training.epochs import LAST
from clap_sb.training.loader_brain import unwrap


class StudentBrain(CLAPBrain):
    """Trains the audio half of a model towards a teacher's embeddings.

    Training batches come from :class:`~clap_sb.distillation.lessons.Lessons`; what is
    validated and tested is how far student and teacher agree about whole clips, which
    need no captions. All else is :class:`~clap_sb.brain.CLAPBrain`'s: the objective is
    given the teacher's embeddings in the place of those of captions.

    After each epoch, batch statistics are taken over ``settled_over`` lessons as they
    are (:func:`~clap_sb.distillation.settled_norms.settle_norms`).

    ``modules`` is ``{"clap": AudioHalf(...)}``; ``best_metric`` is ``cosine``,
    ``neighbours``, or ``epoch`` to keep the last one.

    Arguments
    ---------
    *args, **kwargs
        As ``CLAPBrain``.
    """

    best_metrics = ("cosine", "neighbours", LAST)

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.teacher: TeacherEmbeddings | None = None
        self.outcome: Agreement | None = None

    @property
    def clap(self) -> CLAP:
        """The student, without what is around it in training."""
        return unwrap(self.modules.clap).clap

    def compute_forward(
        self, batch: LessonBatch, stage: sb.Stage
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Embeds a batch of lessons.

        Arguments
        ---------
        batch : LessonBatch
            Lessons.
        stage : sb.Stage
            ``TRAIN``; the others come through :meth:`evaluate_batch`.

        Returns
        -------
        student : torch.Tensor
            ``[batch, joint_dim]``, unit norm.
        teacher : torch.Tensor
            The same, in the student's axes.
        """
        batch = batch.to(self.device)
        return self.modules.clap(batch.log_mel), turned(batch.target, self.clap)

    def on_stage_end(
        self, stage: sb.Stage, stage_loss: float, epoch: int | None = None
    ) -> None:
        """Settles the batch statistics after training; else as :class:`CLAPBrain`."""
        if stage == sb.Stage.TRAIN:
            lessons = self.train_loader.dataset
            settle_norms(unwrap(self.modules.clap), lessons, self.hparams.settled_over)
        super().on_stage_end(stage, stage_loss, epoch)

    def score(self) -> dict[str, float]:
        """Compares student and teacher about the clips of the stage that has ended.

        Clips that the teacher cannot hear take no part.

        Returns
        -------
        dict
            ``cosine`` (from -1 to 1) and ``neighbours`` (percent); the outcome itself
            is in ``outcome``.
        """
        found = self.embedded
        taught = self.teacher.part(found.clips)
        heard = {clip.id for clip in taught.clips}
        kept = [i for i, clip in enumerate(found.clips) if clip.id in heard]
        # what the teacher gives stands where captions do, for the loss to be computed
        self.embedded = replace(
            found,
            clips=taught.clips,
            audio=found.audio[kept],
            captions=[clip.id for clip in taught.clips],
            text=turned(taught.audio, self.clap),
            caption_clip=torch.arange(len(kept)),
        )
        self.outcome = agreement(self.embedded.audio, self.embedded.text)
        return self.outcome.scores()


def turned(embeddings: torch.Tensor, clap: CLAP) -> torch.Tensor:
    """A teacher's embeddings in the axes of its student.

    Arguments
    ---------
    embeddings : torch.Tensor
        ``[clips, joint_dim]``, unit norm.
    clap : CLAP
        The student.

    Returns
    -------
    torch.Tensor
        The same shape; the same numbers, unless the space was turned.
    """
    projection = clap.text_projection
    if not isinstance(projection, TurnedProjection):
        return embeddings
    return embeddings @ projection.axes.T.to(embeddings)
