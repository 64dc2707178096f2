"""Trains a CLAP system on your own captioned clips, or fine-tunes a checkpoint on them.

Run from the root of the repository:

    python recipes/Custom/train.py hparams/htsat_roberta.yaml \
        --train_csv my.csv --init CHECKPOINT

``my.csv`` has the columns ``path`` and ``caption``; several rows of a path are several
captions. Clips to validate and test on are split off by themselves, unless they have
lists of their own (``--valid_csv``, ``--test_csv``). Without ``--init``, the system is
trained from the start.

Authors
 * The clap_sb developers 2026
"""

from pathlib import Path

import clap_sb.experiment  # noqa: F401  first: see there

# isort: split
from speechbrain.utils.distributed import if_main_process

from clap_sb.brain import CLAPBrain
from clap_sb.config import ConfigError
from clap_sb.data.captioned import captioned_only
from clap_sb.data.captions_csv import prepare_captions_csv
from clap_sb.data.listing import Listing
from clap_sb.data.manifest import Clip, read_manifest
from clap_sb.data.overlap import find_overlaps
from clap_sb.data.split import split_clips
from clap_sb.experiment.fine_tuning import report_gain
from clap_sb.experiment.finish import finish_by_retrieval
from clap_sb.experiment.run import Experiment, begin, run_recipe
from clap_sb.experiment.small_sets import suit_settings
from clap_sb.experiment.stages import run_stages

HERE = Path(__file__).resolve().parent
FILES = [
    HERE.parent / "common.yaml",
    HERE.parent / "training.yaml",
    HERE / "train.yaml",
]
SPLITS = ("train", "valid", "test")


def main(argv: list[str]) -> None:
    """Reads the lists, trains, tests and reports."""
    experiment = begin(argv, FILES)

    def prepare(trust: bool, aside: Path) -> tuple[Experiment, dict[str, list[Clip]]]:
        clips = read_splits(experiment, trust, aside)
        counts = ", ".join(f"{len(clips[split])} clips to {split}" for split in SPLITS)
        if if_main_process():
            print(counts)
        name = Path(experiment.values["train_csv"]).name
        named = experiment.updated({"trained_on": name})
        return suit_settings(named, len(clips["train"])), clips

    def evaluate(run: Experiment, brain: CLAPBrain, testing: list[Clip]) -> None:
        finish_by_retrieval(run, brain, testing, **preparation_of(run))
        report_gain(run, brain, testing)

    run_stages(experiment, prepare, evaluate)


def read_splits(
    experiment: Experiment, trust: bool, folder: Path
) -> dict[str, list[Clip]]:
    """Reads the lists that were given, and splits the training clips for the others."""
    values = experiment.values
    if values["train_csv"] is None:
        raise ConfigError(
            "what is there to train on? Give --train_csv FILE, a list with the columns "
            "path and caption"
        )
    found = {
        split: _read(experiment, split, trust, folder)
        for split in SPLITS
        if values[f"{split}_csv"] is not None
    }
    shares = {
        split: values[f"{split}_share"]
        for split in ("test", "valid")
        if split not in found
    }
    splits = {**found, **split_clips(found["train"], values["split_seed"], shares)}
    _check_disjoint(splits)
    return splits


def preparation_of(experiment: Experiment) -> dict[str, object]:
    """What the card says of the list that the test clips are from."""
    if experiment.values["test_csv"] is not None:
        return {"listing": Listing.read(experiment.manifests / "test.json")}
    listing = Listing.read(experiment.manifests / "train.json")
    name = Path(experiment.values["train_csv"]).name
    note = (
        f"the clips are split off from {name}: of its {listing.num_listed} clips, "
        f"{listing.num_missing} have no usable audio"
    )
    return {"notes": (note,)}


def _read(experiment: Experiment, split: str, trust: bool, folder: Path) -> list[Clip]:
    manifest = folder / f"{split}.json"
    # nothing else tells whether a list to test on is the one of the last time
    if not trust or (split == "test" and not experiment.values["skip_prep"]):
        path = experiment.values[f"{split}_csv"]
        experiment.prepare(prepare_captions_csv, path=path, manifest=manifest)
    return captioned_only(read_manifest(manifest), f"{split}_csv")


def _check_disjoint(splits: dict[str, list[Clip]]) -> None:
    for split, other in (("valid", "train"), ("test", "train"), ("test", "valid")):
        found = find_overlaps({split: splits[split]}, {other: splits[other]})
        if found:
            clips = len({overlap.train_id for overlap in found})
            raise ConfigError(
                f"{clips} clips of {split}_csv are of recordings in {other}_csv too, "
                f"such as {found[0].train_id} ({found[0].recording}): a score on them "
                "would say nothing; leave them out of one"
            )


if __name__ == "__main__":
    run_recipe(main)
