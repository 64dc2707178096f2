"""Classifies ESC-50 zero-shot with a CLAP checkpoint.

Run from the root of the repository, for example after training a system:

    python recipes/ESC-50/zero_shot.py hparams/htsat_roberta.yaml \
        --checkpoint results/AudioCaps/htsat_roberta/3407 --data_folder FOLDER

Each clip gets the class whose sentence is most similar. All clips of all five folds are
scored, each fold by itself too; ``--protocol all`` scores by the rules of each protocol
that has been published; ``--dataset ESC-10`` takes the ten classes of that subset.
Without ``--data_folder``, a small synthesised set stands in.

Authors
 * The clap_sb developers 2026
"""

from pathlib import Path

from clap_sb.data.builtin import write_esc50
from clap_sb.data.listing import Listing
from clap_sb.data.manifest import read_manifest
from clap_sb.evaluation.classes_by_protocol import classify
from clap_sb.experiment.run import (
    create_experiment_directory,
    parse_arguments,
    run_recipe,
)
from clap_sb.experiment.testing import open_evaluation
from esc50_prepare import SUBSET, WHOLE, prepare_esc50, set_name

HERE = Path(__file__).resolve().parent
FILES = [
    HERE.parent / "common.yaml",
    HERE.parent / "evaluation.yaml",
    HERE.parent / "classification.yaml",
    HERE / "recipe.yaml",
]


def main(argv: list[str]) -> None:
    """Loads the checkpoint, prepares the clips, scores and reports."""
    experiment = parse_arguments(argv, FILES)
    create_experiment_directory(experiment)
    values = experiment.values
    evaluation = open_evaluation(experiment)
    # the built-in set has no subset
    is_subset = values["dataset"] == SUBSET and not experiment.is_builtin
    manifest = prepare_esc50(
        data_folder=experiment.data_folder(write_builtin),
        save_folder=experiment.manifests,
        skip_prep=values["skip_prep"],
        subset=SUBSET if is_subset else None,
    )
    clips, listing = read_manifest(manifest), Listing.read(manifest)
    if values["dataset"] == WHOLE and not experiment.is_builtin:
        evaluation = evaluation.of_dataset(set_name(clips))
    print("\n" + classify(evaluation, clips, listing=listing))


def write_builtin(folder: Path, values: dict[str, object]) -> Path:
    """Writes a small synthesised set in ESC-50's layout."""
    return write_esc50(folder, values["builtin_clips_per_class"], values["seed"])


if __name__ == "__main__":
    run_recipe(main)
