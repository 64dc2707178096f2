"""Classifies your own labelled clips zero-shot with a CLAP checkpoint.

Run from the root of the repository:

    python recipes/Custom/zero_shot.py hparams/htsat_roberta.yaml \
        --checkpoint results/AudioCaps/htsat_roberta/3407 --csv labels.csv

The CSV file has the columns ``path,label``, and ``fold`` where there are folds. Clips
with one label each give accuracy; where some have several (rows, or semicolons between
them), each class ranks the clips: mean average precision and area under ROC.

Authors
 * The clap_sb developers 2026
"""

from pathlib import Path

from clap_sb.data.labels_csv import prepare_labels_csv, read_label_set
from clap_sb.data.listing import Listing
from clap_sb.data.manifest import read_manifest
from clap_sb.evaluation.classes_by_protocol import classify, tag
from clap_sb.experiment.run import (
    create_experiment_directory,
    parse_arguments,
    run_recipe,
)
from clap_sb.experiment.testing import open_evaluation

HERE = Path(__file__).resolve().parent
FILES = [
    HERE.parent / "common.yaml",
    HERE.parent / "evaluation.yaml",
    HERE.parent / "classification.yaml",
    HERE / "zero_shot.yaml",
]


def main(argv: list[str]) -> None:
    """Loads the checkpoint, prepares the clips, scores and reports."""
    experiment = parse_arguments(argv, FILES)
    create_experiment_directory(experiment)
    values = experiment.values
    if values["csv"] is None:
        raise ValueError("give --csv FILE, with the columns path,label")
    evaluation = open_evaluation(experiment)
    manifest = prepare_labels_csv(
        values["csv"], experiment.folder / "manifests" / "clips.json"
    )
    clips = read_manifest(manifest)
    labels = sorted({label for clip in clips for label in clip.keywords})
    if values["label_set"] is not None:
        labels = read_label_set(label_file(values["label_set"]))
    split = Path(values["csv"]).name
    score = classify if all(clip.label is not None for clip in clips) else tag
    print("\n" + score(evaluation, clips, split, labels, Listing.read(manifest)))


def label_file(name: str) -> Path:
    """The list of classes: one that comes with the recipe, or any other file."""
    known = HERE / "label_sets" / f"{name}.txt"
    return known if known.is_file() else Path(name)


if __name__ == "__main__":
    run_recipe(main)
