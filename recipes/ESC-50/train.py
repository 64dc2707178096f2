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

from dataclasses import replace
from pathlib import Path

import clap_sb.experiment  # noqa: F401  first: see there

# isort: split
from speechbrain.utils.distributed import if_main_process

from clap_sb.config import ConfigError
from clap_sb.data.builtin import write_esc50
from clap_sb.data.listing import Listing
from clap_sb.data.manifest import Clip, in_place, read_manifest
from clap_sb.evaluation.prompts import read_descriptions
from clap_sb.experiment.folds import (
    HeldOutFold,
    finish_fold,
    probe_folds,
    report_trained_folds,
)
from clap_sb.experiment.label_brain import LabelBrain, captioned
from clap_sb.experiment.naming import named
from clap_sb.experiment.prepared_aside import prepared_aside
from clap_sb.experiment.run import Experiment, begin, run_recipe
from clap_sb.experiment.small_sets import suit_settings
from clap_sb.experiment.stages import (
    Splits,
    refuse_others,
    run_stages,
    stage_of,
    trusts_manifests,
)
from esc50_prepare import SUBSET, WHOLE, prepare_esc50, set_name

HERE = Path(__file__).resolve().parent
FILES = [
    HERE.parent / "common.yaml",
    HERE.parent / "training.yaml",
    HERE / "train.yaml",
]


def main(argv: list[str]) -> None:
    """Prepares the data, trains on each fold's complement, tests and reports."""
    experiment = begin(argv, FILES)
    mode, stage = experiment.values["mode"], stage_of(experiment)
    check_mode(mode, stage)
    check_prompt(experiment.values["prompt"])
    trained = experiment.folder.glob("fold_*")
    with prepared_aside(experiment.folder, trained) as aside:
        experiment, clips, listing = read_clips(experiment, aside)
        folds = held_out(experiment, clips)
        if mode == "contrastive":
            described = descriptions_of(experiment)
            runs = {f: run_without(experiment, clips, f, described) for f in folds}
            refuse_others(runs.values())
    if stage == "prepare":
        return
    if mode == "probe":
        probe_folds(experiment, clips, listing)
        if experiment.trains:
            experiment.keep_settings()
        return
    tested: dict[int, HeldOutFold] = {}
    for fold, (run, splits) in runs.items():
        tested |= train_without(experiment, fold, run, splits, listing)
    report_trained_folds(experiment, tested, listing)


def read_clips(
    experiment: Experiment, folder: Path
) -> tuple[Experiment, list[Clip], Listing | None]:
    """The run, named by its data and with its labels, and the clips of all folds."""
    manifest = prepare(experiment, folder)
    clips, listing = read_manifest(manifest), Listing.read(manifest)
    if if_main_process():
        print(f"in {in_place(manifest)}: {len(clips)} clips")
    if experiment.values["dataset"] == WHOLE:
        experiment = named(experiment, set_name(clips))
    labels = sorted({clip.label for clip in clips})
    return experiment.updated({"labels": labels}), clips, listing


def check_mode(mode: str, stage: str) -> None:
    """Says what there is where there is no such mode, or no such stage of it."""
    if mode not in ("contrastive", "probe"):
        raise ConfigError(f"mode is contrastive or probe, not {mode!r}")
    if mode == "probe" and stage in ("train", "evaluate"):
        raise ConfigError(
            f"a probe is fitted and scored at once, without a stage {stage!r} of its "
            "own: choose all, or prepare"
        )


def check_prompt(prompt: str | list[str]) -> None:
    """Refuses several prompts, which a test of a checkpoint averages."""
    if not isinstance(prompt, str):
        raise ConfigError(
            f"prompt is one sentence here, not {len(prompt)}: zero_shot.py averages "
            "several, of the checkpoint that this leaves"
        )


def prepare(experiment: Experiment, folder: Path) -> Path:
    """The manifest of all folds' clips; the one that is there where it is trusted."""
    values = experiment.values

    def write_builtin(folder: Path) -> Path:
        return write_esc50(folder, values["builtin_clips_per_class"], values["seed"])

    # the built-in set has no subset
    is_subset = values["dataset"] == SUBSET and not experiment.is_builtin
    return experiment.prepare(
        prepare_esc50,
        data_folder=experiment.data_folder(write_builtin),
        save_folder=folder,
        skip_prep=trusts_manifests(experiment),
        subset=SUBSET if is_subset else None,
    )


def held_out(experiment: Experiment, clips: list[Clip]) -> list[int]:
    """The folds to hold out, one after the other."""
    fold, valid_fold = experiment.values["fold"], experiment.values["valid_fold"]
    folds = sorted({clip.fold for clip in clips})
    if fold != "all" and fold not in folds:
        raise ConfigError(f"fold is 'all' or one of {folds}, not {fold!r}")
    folds = folds if fold == "all" else [fold]
    if valid_fold in folds:
        raise ConfigError(
            f"fold {valid_fold} cannot be validated on and tested "
            "on (--fold): choose settings by another one"
        )
    return folds


def descriptions_of(experiment: Experiment) -> dict[str, tuple[str, ...]]:
    """What a file, here or beside this recipe, says of the labels."""
    file, labels = experiment.values["descriptions"], experiment.values["labels"]
    if file is None:
        return {}
    path = Path(file) if Path(file).is_file() else HERE / file
    try:
        described = read_descriptions(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"descriptions: {error}") from error
    known = {label: described[label] for label in labels if label in described}
    if not known and "descriptions" in experiment.config.given:
        raise ConfigError(
            f"{path} describes {', '.join(list(described)[:5])}, ..., and none of the "
            f"set's labels: {', '.join(labels[:5])}, ..."
        )
    if if_main_process():
        print(f"  {len(known)} of {len(labels)} labels are described, in {path.name}")
    return known


def run_without(
    experiment: Experiment,
    clips: list[Clip],
    fold: int,
    described: dict[str, tuple[str, ...]],
) -> tuple[Experiment, Splits]:
    """A run on the clips of the other folds, to classify those of this one."""
    values = experiment.values
    held = {fold, values["valid_fold"]}
    classified = captioned(clips, [values["prompt"]])
    splits = {
        "train": captioned(
            [c for c in clips if c.fold not in held], values["templates"], described
        ),
        "valid": [c for c in classified if c.fold == values["valid_fold"]],
        "test": [c for c in classified if c.fold == fold],
    }
    folder = str(experiment.folder / f"fold_{fold}")
    experiment = replace(experiment, asked=experiment.asked.updated({"fold": fold}))
    experiment = experiment.updated({"output_folder": folder})
    return suit_settings(experiment, len(splits["train"])), splits


def train_without(
    experiment: Experiment,
    fold: int,
    run: Experiment,
    splits: Splits,
    listing: Listing | None,
) -> dict[int, HeldOutFold]:
    """Trains on the clips of the other folds, and classifies those of this one."""
    tested: dict[int, HeldOutFold] = {}

    def evaluate(run: Experiment, brain: LabelBrain, testing: list[Clip]) -> None:
        tested[fold] = finish_fold(run, brain, testing, listing)

    if run_stages(run, prepare=lambda trust, aside: (run, splits), evaluate=evaluate):
        experiment.keep_settings()
    return tested


if __name__ == "__main__":
    run_recipe(main)
