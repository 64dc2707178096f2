"""Trains a CLAP system on AudioCaps and tests it by retrieval.

Run from the root of the repository:

    python recipes/AudioCaps/train.py hparams/htsat_roberta.yaml --data_folder FOLDER

Without ``--data_folder``, a small synthesised set stands in for the real one. Any
setting of the YAML files can be overridden (``--lr 0.0005``); the same command goes on
where an interrupted run stopped; ``--stage prepare``, ``train`` or ``evaluate`` does
one thing at a time.

Authors
 * The clap_sb developers 2026
"""

from collections.abc import Sequence
from pathlib import Path

from clap_sb.brain import CLAPBrain
from clap_sb.data.builtin import write_audiocaps
from clap_sb.data.listing import Listing
from clap_sb.data.manifest import Clip
from clap_sb.experiment.captioned_sets import CaptionedSets
from clap_sb.experiment.finish import finish_by_retrieval
from clap_sb.experiment.known_sets import load_preparation
from clap_sb.experiment.run import Experiment, begin, run_recipe
from clap_sb.experiment.stages import Splits, run_stages

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
    experiment = begin(argv, FILES)
    values = experiment.values

    def write_builtin(folder: Path) -> Path:
        sizes = values["builtin_train_clips"], values["builtin_valid_clips"], 100
        return write_audiocaps(folder, *sizes, seed=values["seed"])

    data_folder = experiment.data_folder(write_builtin)
    # the built-in set has no versions
    name = "AudioCaps" if experiment.is_builtin else values["dataset"]
    own = load_preparation(name, RECIPES)
    pairs_file = data_folder / "dataset" / "attribute_pairs.csv"

    def prepare(trust: bool, aside: Path) -> tuple[Experiment, Splits]:
        sets = CaptionedSets(experiment, own, data_folder, RECIPES, aside)
        return sets.splits(trust)

    def evaluate(run: Experiment, brain: CLAPBrain, testing: Sequence[Clip]) -> None:
        listing = Listing.read(run.manifests / "test.json")
        finish_by_retrieval(run, brain, testing, pairs_file, listing)

    run_stages(experiment, prepare, evaluate)


if __name__ == "__main__":
    run_recipe(main)
