"""Trains a CLAP system on Clotho v2.1 and tests it by retrieval.

Run from the root of the repository:

    python recipes/Clotho/train.py hparams/htsat_roberta.yaml --data_folder FOLDER

Without ``--data_folder``, a small synthesised set stands in for the real one. Any
setting of the YAML files can be overridden (``--lr 0.0005``); the same command goes on
where an interrupted run stopped; ``--stage prepare``, ``train`` or ``evaluate`` does
one thing at a time.

Authors
 * The clap_sb developers 2026
"""

from pathlib import Path

from clap_sb.data.listing import Listing
from clap_sb.data.manifest import Clip
from clap_sb.experiment.prepared_aside import prepared_aside
from clap_sb.experiment.run import (
    Experiment,
    create_experiment_directory,
    parse_arguments,
    run_recipe,
)
from clap_sb.experiment.settle import settle
from clap_sb.experiment.testing import report_test
from clap_sb.experiment.training_sets import TrainingSets
from clap_sb.training.loaders import dataio_prep
from clotho_prepare import prepare_clotho, write_builtin

HERE = Path(__file__).resolve().parent
RECIPES = HERE.parent
FILES = [
    RECIPES / "common.yaml",
    RECIPES / "training.yaml",
    RECIPES / "captions.yaml",
    HERE / "recipe.yaml",
]


def main(argv: list[str]) -> None:
    """Prepares the data, trains, tests and reports."""
    experiment = parse_arguments(argv, FILES)
    create_experiment_directory(experiment)
    data_folder = experiment.data_folder(write_builtin)
    with prepared_aside(experiment.folder, [experiment.folder]) as manifests:
        experiment, clips = prepare(experiment, data_folder, manifests)
        run = settle(experiment, clips)
    if run is None:  # --stage prepare
        return
    hparams, describe = run.build()
    datasets = dataio_prep(hparams, clips)
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
    if run.tests:  # not for --stage train
        brain.evaluate(
            datasets["test"],
            max_key=hparams["best_metric"],
            test_loader_kwargs=hparams["valid_dataloader_opts"],
        )
        report_test(
            run.experiment,
            brain,
            listing=Listing.read(experiment.manifests / "test.json"),
        )


def prepare(
    experiment: Experiment, data_folder: Path, manifests: Path
) -> tuple[Experiment, dict[str, list[Clip]]]:
    """Writes the manifests of this set and of those that are trained on beside it."""
    sets = TrainingSets(experiment, prepare_clotho, data_folder, RECIPES, manifests)
    return sets.splits()


if __name__ == "__main__":
    run_recipe(main)
