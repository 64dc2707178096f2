"""The name of the data in titles, cards and descriptions."""

from __future__ import annotations

from dataclasses import replace

from clap_sb.experiment.run import Experiment


def named(experiment: Experiment, dataset: str) -> Experiment:
    """The same run, with the data under the name of what they turned out to be.

    Arguments
    ---------
    experiment : Experiment
        The run.
    dataset : str
        The name.

    Returns
    -------
    Experiment
        It writes where it did: the folder is that of the name that was asked for.
    """
    if dataset == experiment.values["dataset"]:
        return experiment
    config = experiment.config.updated(
        {"dataset": dataset, "output_folder": str(experiment.folder)}
    )
    return replace(experiment, config=config)
