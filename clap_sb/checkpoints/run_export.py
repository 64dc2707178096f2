"""Writes a training run's best model as an export: a folder that stands by itself."""

from __future__ import annotations

from pathlib import Path

from clap_sb.checkpoints.model_card import model_card
from clap_sb.checkpoints.open_checkpoint import describe_checkpoint, open_checkpoint
from clap_sb.checkpoints.part import Trust
from clap_sb.checkpoints.run_folder import EXPORT_FOLDER
from clap_sb.checkpoints.speechbrain_folder import CARD_FILE, write_speechbrain_folder
from clap_sb.whole_file import whole_folder, write_whole


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


def tell_scores(run: str | Path) -> None:
    """Writes the card of a run's export again, with the scores that there are by now.

    An export is written before the test. Without one (``--debug``) there is no card.

    Arguments
    ---------
    run : str or Path
        A run's output folder.

    Raises
    ------
    CheckpointError
        If the run has no finished epoch.
    """
    card = Path(run) / EXPORT_FOLDER / CARD_FILE
    if not card.is_file():
        return
    found = describe_checkpoint(run, trust=True)  # to be told of, not to be built
    told = found.to_hand_on()
    write_whole(card, model_card(told.architecture, told.facts, found.scores()))
