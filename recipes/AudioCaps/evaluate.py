"""Tests a CLAP checkpoint on AudioCaps by retrieval.

Run from the root of the repository:

    python recipes/AudioCaps/evaluate.py hparams/htsat_roberta.yaml \
        --checkpoint results/AudioCaps/htsat_roberta/3407 --data_folder FOLDER

The checkpoint is a training run, an export or a public file. ``--protocol all`` scores
by the rules of each published protocol, and prints the table; ``--rescoring nnn``
corrects for hubs with a bank of training clips. Without ``--data_folder``, a small
synthesised set stands in for the real one.

Authors
 * The clap_sb developers 2026
"""

import functools
from pathlib import Path

from audiocaps_prepare import prepare_audiocaps, version_of, write_builtin
from clap_sb.evaluation.retrieval_by_protocol import retrieve_split
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
    HERE.parent / "retrieval.yaml",
    HERE / "evaluate.yaml",
]


def main(argv: list[str]) -> None:
    """Loads the checkpoint, prepares the clips, scores and reports."""
    experiment = parse_arguments(argv, FILES)
    create_experiment_directory(experiment)
    evaluation = open_evaluation(experiment)
    data_folder = experiment.data_folder(write_builtin)
    # the built-in set has no versions
    name = "AudioCaps" if experiment.is_builtin else experiment.values["dataset"]
    prepare = functools.partial(prepare_audiocaps, version=version_of(name))
    print("\n" + retrieve_split(evaluation, prepare, data_folder))


if __name__ == "__main__":
    run_recipe(main)
