"""Writes a training run's best model as an export: a folder that stands by itself."""

from __future__ import annotations

from pathlib import Path

from clap_sb.checkpoints.loading import Loaded
from clap_sb.checkpoints.part import Trust
from clap_sb.checkpoints.run_folder import TEXT_FOLDER, load_run
from clap_sb.checkpoints.speechbrain_folder import write_speechbrain_folder
from clap_sb.whole_file import whole_folder

EXPORT_FOLDER = "export"


def export_run(run: str | Path, trust: Trust = False) -> Path:
    """Writes the best checkpoint of a run to its ``export`` folder.

    An export of an earlier end of training is replaced.

    Arguments
    ---------
    run : str or Path
        A run's output folder.
    trust : bool or collection of str
        Whether its model may be of classes that are not clap_sb's, or of which.

    Returns
    -------
    Path
        The export's folder, for ``CLAP.from_hparams``.

    Raises
    ------
    CheckpointError
        If the run has no finished epoch, or its model cannot be described.
    """
    run = Path(run)
    loaded = load_run(run, trust=trust)
    folder = run / EXPORT_FOLDER
    with whole_folder(folder) as unfinished:
        write_speechbrain_folder(
            Loaded(loaded.clap, loaded.architecture),
            unfinished,
            run / TEXT_FOLDER if loaded.architecture.text.has_source else None,
            facts=loaded.facts,
        )
    return folder
