"""Trains on the labels of ESC-50: through prompts, or by a linear probe.

Run from the root of the repository:

    python recipes/ESC-50/train.py hparams/small_cnn14.yaml --data_folder FOLDER

It trains on four folds and classifies the fifth by prompt; ``--fold all`` holds out
each fold in turn. ``--init CHECKPOINT`` fine-tunes what a checkpoint holds, and
``--mode probe --init CHECKPOINT`` fits a linear probe on its embeddings.
``--dataset ESC-10`` takes the ten classes of that subset. Without ``--data_folder``, a
small synthesised set stands in for the real one.

Authors
 * The clap_sb developers 2026
"""

from pathlib import Path

import clap_sb.experiment  # noqa: F401  first: see there

# isort: split
from speechbrain.utils.distributed import if_main_process

from clap_sb.data.builtin import write_esc50
from clap_sb.data.listing import Listing
from clap_sb.data.manifest import Clip, in_place, read_manifest
from clap_sb.evaluation.folds_report import HeldOutFold, report_trained_folds
from clap_sb.experiment.held_out_folds import check_settings, fold_runs
from clap_sb.experiment.label_brain import probe_folds, report_fold
from clap_sb.experiment.prepared_aside import prepared_aside
from clap_sb.experiment.run import (
    Experiment,
    create_experiment_directory,
    parse_arguments,
    run_recipe,
    tell,
)
from clap_sb.experiment.settle import refuse_others, settle
from clap_sb.training.loaders import dataio_prep
from esc50_prepare import SUBSET, WHOLE, prepare_esc50, set_name

HERE = Path(__file__).resolve().parent
FILES = [
    HERE.parent / "common.yaml",
    HERE.parent / "training.yaml",
    HERE / "train.yaml",
]


def main(argv: list[str]) -> None:
    """Prepares the data, trains on each fold's complement, tests and reports."""
    experiment = parse_arguments(argv, FILES)
    check_settings(experiment)
    create_experiment_directory(experiment)
    trained = experiment.folder.glob("fold_*")
    with prepared_aside(experiment.folder, trained) as manifests:
        experiment, clips, listing = prepare(experiment, manifests)
        runs = fold_runs(experiment, clips, HERE)
        refuse_others(runs.values())
    if experiment.stage == "prepare":
        return
    if experiment.values["mode"] == "probe":
        probe_folds(experiment, clips, listing)
        if experiment.trains:
            experiment.keep_settings()
        return
    tested = {}
    for fold, (run, splits) in runs.items():
        tested |= train_without(experiment, fold, run, splits, listing)
    if len(tested) > 1 and if_main_process():
        prompt = experiment.values["prompt"]
        told = report_trained_folds(experiment.folder, tested, prompt, listing)
        print(f"\n{told}")


def train_without(
    experiment: Experiment,
    fold: int,
    fold_run: Experiment,
    splits: dict[str, list[Clip]],
    listing: Listing | None,
) -> dict[int, HeldOutFold]:
    """Trains on the clips of the other folds, and classifies those of this one."""
    run = settle(fold_run, splits)
    hparams, describe = run.build()
    datasets = dataio_prep(hparams, splits)
    brain = hparams["brain_class"](
        modules=hparams["modules"],
        opt_class=hparams["opt_class"],
        hparams=hparams,
        run_opts=run.run_opts,
        checkpointer=hparams["checkpointer"],
    )
    brain.before_training = describe
    brain.fit(
        hparams["epoch_counter"],
        datasets["train"],
        datasets["valid"],
        train_loader_kwargs=hparams["train_dataloader_opts"],
        valid_loader_kwargs=hparams["valid_dataloader_opts"],
    )
    run.export(brain)
    if brain.epoch > 0:  # of all folds
        experiment.keep_settings()
    if not run.tests:
        return {}
    brain.evaluate(
        datasets["test"],
        max_key=hparams["best_metric"],
        test_loader_kwargs=hparams["valid_dataloader_opts"],
    )
    return {fold: report_fold(run.experiment, brain, listing)}


def prepare(
    experiment: Experiment, folder: Path
) -> tuple[Experiment, list[Clip], Listing | None]:
    """The run, named by its data and with its labels, and the clips of all folds."""
    # the built-in set has no subset
    is_subset = experiment.values["dataset"] == SUBSET and not experiment.is_builtin
    manifest = experiment.prepare(
        prepare_esc50,
        data_folder=experiment.data_folder(write_builtin),
        save_folder=folder,
        skip_prep=experiment.trusts_manifests,
        subset=SUBSET if is_subset else None,
    )
    clips, listing = read_manifest(manifest), Listing.read(manifest)
    tell(f"in {in_place(manifest)}: {len(clips)} clips")
    if experiment.values["dataset"] == WHOLE:
        experiment = experiment.of_dataset(set_name(clips))
    labels = sorted({clip.label for clip in clips})
    return experiment.updated({"labels": labels}), clips, listing


def write_builtin(folder: Path, values: dict[str, object]) -> Path:
    """Writes a small synthesised set in ESC-50's layout."""
    return write_esc50(folder, values["builtin_clips_per_class"], values["seed"])


if __name__ == "__main__":
    run_recipe(main)
