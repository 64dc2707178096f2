"""Writes a training run's best model as an export: a folder that stands by itself."""

from __future__ import annotations

from pathlib import Path

from clap_sb.checkpoints.open_checkpoint import open_checkpoint
from clap_sb.checkpoints.part import Trust
from clap_sb.checkpoints.run_folder import EXPORT_FOLDER
from clap_sb.checkpoints.speechbrain_folder import write_speechbrain_folder
from clap_sb.whole_file import whole_folder


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
    checkpoint = open_checkpoint(run, trust=trust)
    folder = run / EXPORT_FOLDER
    with whole_folder(folder) as unfinished:
        write_speechbrain_folder(checkpoint, unfinished)
    return folder
