"""Teaches a small audio tower the embeddings of any CLAP checkpoint, by sounds alone.

Run from the root of the repository:

    python recipes/Distill/train.py hparams/student.yaml \
        --teacher CHECKPOINT --audio_folder FOLDER

No captions are needed: the teacher's embeddings are the target, its text tower and
joint space become the student's. What is left is an ordinary checkpoint. With
``--labels_csv FILE`` (path,label), the sounds listed there are held out, and teacher
and student classify them.

Authors
 * The clap_sb developers 2026
"""

from pathlib import Path

import clap_sb.distillation  # noqa: F401  first: see there

# isort: split
from clap_sb.config import ConfigError
from clap_sb.data.audio_folder import prepare_audio_folder
from clap_sb.data.labels_csv import prepare_labels_csv
from clap_sb.data.listing import Listing
from clap_sb.data.manifest import Clip, read_manifest
from clap_sb.data.split import split_clips
from clap_sb.distillation.lessons_prep import lessons_prep
from clap_sb.distillation.student_report import report_student
from clap_sb.distillation.teacher import read_teacher
from clap_sb.experiment.prepared_aside import prepared_aside
from clap_sb.experiment.run import (
    Experiment,
    create_experiment_directory,
    parse_arguments,
    run_recipe,
    tell,
)
from clap_sb.experiment.settle import settle

HERE = Path(__file__).resolve().parent
FILES = [
    HERE.parent / "common.yaml",
    HERE.parent / "training.yaml",
    HERE / "recipe.yaml",
]


def main(argv: list[str]) -> None:
    """Finds the sounds, has the teacher hear them, trains, tests and reports."""
    experiment = parse_arguments(argv, FILES)
    teacher = read_teacher(experiment.values)
    create_experiment_directory(experiment)
    with prepared_aside(experiment.folder, [experiment.folder]) as manifests:
        experiment, clips, listing = prepare(experiment, manifests)
        run = settle(experiment, clips, teacher)
    if run is None:  # --stage prepare
        return
    hparams, describe = run.build()
    brain = hparams["brain_class"](
        modules=hparams["modules"],
        opt_class=hparams["opt_class"],
        hparams=hparams,
        run_opts=run.run_opts,
        checkpointer=hparams["checkpointer"],
    )
    brain.before_training = describe
    datasets = lessons_prep(brain, hparams, clips, teacher)
    brain.fit(
        hparams["epoch_counter"],
        datasets["train"],
        datasets["valid"],
        train_loader_kwargs=hparams["train_dataloader_opts"],
        valid_loader_kwargs=hparams["valid_dataloader_opts"],
    )
    run.export(brain)
    if run.tests:  # not for --stage train, and where there are sounds to test on
        brain.evaluate(
            datasets["test"],
            max_key=hparams["best_metric"],
            test_loader_kwargs=hparams["valid_dataloader_opts"],
        )
        report_student(run.experiment, brain, teacher, listing)


def prepare(
    experiment: Experiment, folder: Path
) -> tuple[Experiment, dict[str, list[Clip]], Listing | None]:
    """The sounds to teach with, those that are held out, and what lists those."""
    values = experiment.values
    if values["audio_folder"] is None:
        raise ConfigError("what is there to teach with? Give --audio_folder FOLDER")
    sounds, held, listing = folder / "sounds.json", [], None
    if not experiment.trusts_manifests:
        source = values["audio_folder"]
        experiment.prepare(prepare_audio_folder, folder=source, manifest=sounds)
    shares = {"test": values["test_share"], "valid": values["valid_share"]}
    clips = read_manifest(sounds)
    if values["labels_csv"] is not None:
        labelled = folder / "test.json"
        if not experiment.trusts_manifests:
            path = values["labels_csv"]
            experiment.prepare(prepare_labels_csv, path=path, manifest=labelled)
        held, listing = read_manifest(labelled), Listing.read(labelled)
        names = {str(Path(clip.path).resolve()) for clip in held}
        clips = [c for c in clips if str(Path(c.path).resolve()) not in names]
        del shares["test"]
    splits = {"test": held, **split_clips(clips, values["split_seed"], shares)}
    tell(
        ", ".join(f"{len(splits[s])} sounds to {s}" for s in ("train", "valid", "test"))
    )
    told = f"the sounds of {Path(values['audio_folder']).name}, by its embeddings"
    return experiment.updated({"trained_on": told}), splits, listing


if __name__ == "__main__":
    run_recipe(main)
