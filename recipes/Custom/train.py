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

from clap_sb.config import ConfigError
from clap_sb.data.captioned import captioned_only
from clap_sb.data.captions_csv import prepare_captions_csv
from clap_sb.data.listing import Listing
from clap_sb.data.manifest import Clip, read_manifest
from clap_sb.data.overlap import find_overlaps
from clap_sb.data.split import split_clips
from clap_sb.experiment.prepared_aside import prepared_aside
from clap_sb.experiment.run import (
    Experiment,
    create_experiment_directory,
    parse_arguments,
    run_recipe,
    tell,
)
from clap_sb.experiment.settle import settle
from clap_sb.experiment.testing import report_gain, report_test
from clap_sb.training.loaders import dataio_prep
from clap_sb.training.optimization import suited_settings

HERE = Path(__file__).resolve().parent
FILES = [
    HERE.parent / "common.yaml",
    HERE.parent / "training.yaml",
    HERE / "train.yaml",
]
SPLITS = ("train", "valid", "test")


def main(argv: list[str]) -> None:
    """Reads the lists, trains, tests and reports."""
    experiment = parse_arguments(argv, FILES)
    create_experiment_directory(experiment)
    with prepared_aside(experiment.folder, [experiment.folder]) as manifests:
        experiment, clips = prepare(experiment, manifests)
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
    if run.tests:  # not for --stage train, and where there are clips to test on
        brain.evaluate(
            datasets["test"],
            max_key=hparams["best_metric"],
            test_loader_kwargs=hparams["valid_dataloader_opts"],
        )
        report_test(run.experiment, brain, **preparation_of(run.experiment))
        report_gain(run, brain)


def prepare(
    experiment: Experiment, folder: Path
) -> tuple[Experiment, dict[str, list[Clip]]]:
    """Reads the lists that were given, and splits the training clips for the others."""
    values = experiment.values
    if values["train_csv"] is None:
        raise ConfigError(
            "what is there to train on? Give --train_csv FILE, a list with the columns "
            "path and caption"
        )
    found = {
        split: read_list(experiment, split, folder)
        for split in SPLITS
        if values[f"{split}_csv"] is not None
    }
    shares = {
        split: values[f"{split}_share"]
        for split in ("test", "valid")
        if split not in found
    }
    clips = {**found, **split_clips(found["train"], values["split_seed"], shares)}
    check_disjoint(clips)
    tell(", ".join(f"{len(clips[split])} clips to {split}" for split in SPLITS))
    experiment = experiment.updated({"trained_on": Path(values["train_csv"]).name})
    suited = suited_settings(experiment.config, len(clips["train"]))
    return experiment.updated(suited), clips


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


def read_list(experiment: Experiment, split: str, folder: Path) -> list[Clip]:
    """The captioned clips of a list, after preparing it where that is wanted."""
    values, manifest = experiment.values, folder / f"{split}.json"
    # nothing else tells whether a list to test on is the one of the last time
    trusted = experiment.trusts_manifests
    if not trusted or (split == "test" and not values["skip_prep"]):
        path = values[f"{split}_csv"]
        experiment.prepare(prepare_captions_csv, path=path, manifest=manifest)
    return captioned_only(read_manifest(manifest), f"{split}_csv")


def check_disjoint(splits: dict[str, list[Clip]]) -> None:
    """Refuses clips to score on that are of recordings that are trained on."""
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
