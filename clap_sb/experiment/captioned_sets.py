"""The clips that a recipe trains on and is tested with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from clap_sb.data.manifest import Clip, read_manifest
from clap_sb.experiment.run import Experiment


def prepare_splits(
    experiment: Experiment,
    prepare: Callable[..., dict[str, Path]],
    data_folder: Path,
    trust: bool = False,
) -> dict[str, list[Clip]]:
    """Prepares a recipe's data set and reads its manifests.

    Arguments
    ---------
    experiment : Experiment
        The run; manifests go to ``manifests`` in its folder.
    prepare : callable
        The recipe's preparation.
    data_folder : Path
        Where the data set lies.
    trust : bool
        Whether to trust manifests from an earlier stage, unseen.

    Returns
    -------
    dict
        The clips of the splits train, valid and test.
    """
    manifests = experiment.prepare(
        prepare,
        data_folder=data_folder,
        save_folder=experiment.folder / "manifests",
        skip_prep=trust or experiment.values["skip_prep"],
    )
    return {split: read_manifest(path) for split, path in manifests.items()}
