"""What a student has come to: how far it agrees with its teacher, and classifies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import clap_sb.training  # noqa: F401  before SpeechBrain: says what it lacks

# isort: split
import torch
import torch.nn.functional as F
from speechbrain.utils.distributed import if_main_process

from clap_sb.checkpoints.run_export import tell_scores
from clap_sb.checkpoints.run_folder import selection_of
from clap_sb.data.listing import Listing
from clap_sb.distillation.student_brain import StudentBrain
from clap_sb.distillation.teacher import Teacher
from clap_sb.evaluation.agreement import Agreement, agreement, shared_nearest
from clap_sb.evaluation.embedding import embed_captions
from clap_sb.evaluation.plots import plot_training_curves
from clap_sb.evaluation.report import write_results
from clap_sb.evaluation.retrieval_report import Origin
from clap_sb.evaluation.zero_shot import ZeroShot, prompt, zero_shot
from clap_sb.experiment.run import Experiment
from clap_sb.experiment.testing import where_kept
from clap_sb.inference.captions import everyday_captions

NAME = "agreement"


def report_student(
    experiment: Experiment,
    brain: StudentBrain,
    teacher: Teacher,
    listing: Listing | None = None,
) -> None:
    """Writes and prints the report of a test, and the scores on the export's card.

    Arguments
    ---------
    experiment : Experiment
        The run.
    brain : StudentBrain
        After ``evaluate``.
    teacher : Teacher
        The teacher.
    listing : Listing, optional
        What the list of the held-out sounds has, where they have one.
    """
    if not if_main_process():
        return
    hparams = vars(brain.hparams)
    student, taught = brain.embedded.audio, brain.embedded.text
    sentences, targets, labels = _sentences(brain)
    text = embed_captions(brain.clap, sentences)
    found = agreement(student, taught, text, text)
    scores = {"num_clips": len(student), **found.scores()}
    intervals = found.intervals(hparams["seed"], hparams["num_resamples"])
    if labels:
        for name, audio in (("student", student), ("teacher", taught)):
            outcome = zero_shot(audio, text, targets, labels)
            scores[f"{name}_accuracy"] = outcome.scores()["accuracy"]
            ends = outcome.intervals(hparams["seed"], hparams["num_resamples"])
            intervals[f"{name}_accuracy"] = ends["accuracy"]
        scores["prompt"] = hparams["prompt"]
    tables = {}
    if hparams["prefixes"]:
        sizes = (*sorted(hparams["prefixes"]), student.shape[1])
        parts = (student, taught, text, targets, labels)
        tables["Prefixes"] = [_prefix_row(size, *parts) for size in sizes]
    origin = _origin(experiment, brain, teacher, listing)
    card = origin.card(brain.embedded, _notes(brain, found, sentences, labels))
    title = f"{origin.system}, taught from {origin.dataset}: agreement"
    folder = experiment.folder
    written = write_results(
        folder / "results", NAME, title, scores, intervals, card, tables
    )
    tell_scores(folder)
    if hparams["history"].rows:
        curves = folder / "training_curves.png"
        epoch = brain.best_checkpoint.meta["epoch"]
        plot_training_curves(hparams["history"].rows, curves, title, epoch)
    told = _summary(title, scores, tables, written[1])
    print("\n".join(["", *told, *where_kept(experiment, brain)]))


def _sentences(
    brain: StudentBrain,
) -> tuple[Sequence[str], torch.Tensor | None, list[str]]:
    """What sounds are looked for by; with labels, the class of each sound."""
    clips, template = brain.embedded.clips, brain.hparams.prompt
    labels = sorted({clip.label for clip in clips if clip.label is not None})
    if not labels or any(clip.label is None for clip in clips):
        return everyday_captions(), None, []
    targets = torch.tensor([labels.index(clip.label) for clip in clips])
    return [prompt(label, template) for label in labels], targets, labels


def _prefix_row(
    size: int,
    student: torch.Tensor,
    taught: torch.Tensor,
    text: torch.Tensor,
    targets: torch.Tensor | None,
    labels: Sequence[str],
) -> dict[str, float | int]:
    """What the first numbers are good for: against the teacher's whole embeddings."""
    short, same, words = (
        F.normalize(x[:, :size], dim=1) for x in (student, taught, text)
    )
    row: dict[str, float | int] = {
        "numbers": size,
        "cosine": (short * same).sum(1).mean().item(),
        "neighbours": 100 * shared_nearest(short, taught).mean().item(),
        "by_text": 100 * shared_nearest(short, taught, words, text).mean().item(),
    }
    if labels:
        for name, audio in (("student", short), ("teacher", same)):
            outcome: ZeroShot = zero_shot(audio, words, targets, labels)
            row[f"{name}_accuracy"] = outcome.scores()["accuracy"]
    return row


def _origin(
    experiment: Experiment,
    brain: StudentBrain,
    teacher: Teacher,
    listing: Listing | None,
) -> Origin:
    hparams, best = vars(brain.hparams), brain.best_checkpoint
    chosen = selection_of(hparams["best_metric"], best.meta)
    return Origin(
        system=hparams["system"],
        dataset=Path(experiment.values["audio_folder"]).name,
        split="held-out sounds",
        checkpoint=best.path.name,
        selection=f"{chosen}; taught by {teacher.description}",
        text_tower_origin=hparams["text_tower_origin"],
        seed=hparams["seed"],
        num_resamples=hparams["num_resamples"],
        listing=listing,
    )


def _notes(
    brain: StudentBrain, found: Agreement, sentences: Sequence[str], labels: list[str]
) -> tuple[str, ...]:
    asked = "the labels' prompts" if labels else "everyday sentences"
    return (
        "cosine: from -1 to 1, of the student's and the teacher's embedding of a sound",
        f"neighbours: percent of the {found.nearest} sounds nearest to a sound by the "
        "teacher that are so by the student",
        f"by text: the same of {len(sentences)} sentences ({asked}); its interval is "
        "over them",
    )


def _summary(title: str, scores: dict, tables: dict, path: Path) -> list[str]:
    lines = [title, f"  {scores['num_clips']} sounds that were not trained on"]
    for name in ("cosine", "neighbours", "by_text"):
        unit = "" if name == "cosine" else " %"
        lines.append(f"  {name.replace('_', ' '):<17} {scores[name]:8.3f}{unit}")
    for name in ("student_accuracy", "teacher_accuracy"):
        if name in scores:
            lines.append(f"  {name.replace('_', ' '):<17} {scores[name]:8.2f} %")
    for row in tables.get("Prefixes", ()):
        told = ", ".join(f"{k.replace('_', ' ')} {v:.3f}" for k, v in row.items())
        lines.append(f"  prefix: {told}")
    return [*lines, f"  report            {path} (and .json)"]
