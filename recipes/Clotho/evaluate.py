"""Tests a CLAP checkpoint on Clotho v2.1 by retrieval.

Run from the root of the repository:

    python recipes/Clotho/evaluate.py hparams/htsat_roberta.yaml \
        --checkpoint results/Clotho/htsat_roberta/3407 --data_folder FOLDER

The checkpoint is a training run, an export or a public file. ``--protocol all`` scores
by the rules of each published protocol, and prints the table; ``--rescoring nnn``
corrects for hubs with a bank of training clips. Without ``--data_folder``, a small
synthesised set stands in for the real one.

Authors
 * The clap_sb developers 2026
"""

from pathlib import Path

from clap_sb.evaluation.retrieval_by_protocol import retrieve_split
from clap_sb.experiment.run import (
    create_experiment_directory,
    parse_arguments,
    run_recipe,
)
from clap_sb.experiment.testing import open_evaluation
from clotho_prepare import prepare_clotho, write_builtin

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
    print("\n" + retrieve_split(evaluation, prepare_clotho, data_folder))


if __name__ == "__main__":
    run_recipe(main)
