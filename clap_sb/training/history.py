"""One row an epoch, kept on disk: what the training curves are drawn from."""

from __future__ import annotations

import functools
import json
from pathlib import Path

from clap_sb.whole_file import write_whole


class History:
    """Rows of numbers by epoch, in a JSON file that is always whole.

    Arguments
    ---------
    path : str or Path
        The file; rows of an earlier run in the same folder are continued.
    tensorboard : str or Path, optional
        Folder for TensorBoard's files as well
        (``pip install 'clap_sb[tensorboard]'``), begun with the first row.

    Raises
    ------
    ValueError
        If TensorBoard is wanted, and not installed.

    Example
    -------
    >>> path = getfixture("tmp_path") / "history.json"
    >>> History(path).add(1, {"loss": 2.0})
    >>> again = History(path)
    >>> again.add(1, {"loss": 1.5})
    >>> again.rows
    [{'epoch': 1, 'loss': 1.5}]
    """

    def __init__(self, path: str | Path, tensorboard: str | Path | None = None):
        self.path = Path(path)
        self.rows: list[dict[str, float]] = []
        if self.path.is_file():
            self.rows = json.loads(self.path.read_text(encoding="utf-8"))
        self._board = None if tensorboard is None else _Board(tensorboard)

    def add(self, epoch: int, values: dict[str, float]) -> None:
        """Adds an epoch's row, in place of what an interrupted run wrote for it.

        For the main process alone: the others would write the same once more.

        Arguments
        ---------
        epoch : int
            Epoch, from 1.
        values : dict
            Numbers by name.
        """
        rows = [row for row in self.rows if row["epoch"] < epoch]
        self.rows = [*rows, {"epoch": epoch, **values}]
        write_whole(self.path, json.dumps(self.rows, indent=1))
        if self._board is not None:
            self._board.add(epoch, values)


class _Board:
    """TensorBoard's files, which a run that adds nothing does not begin."""

    def __init__(self, folder: str | Path):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:  # now, not after the first epoch
            raise ValueError(
                f"tensorboard_folder {folder}: TensorBoard cannot be loaded ({error}): "
                "pip install 'clap_sb[tensorboard]', or leave tensorboard_folder out"
            ) from error
        self._writer = functools.cache(lambda: SummaryWriter(str(folder)))

    def add(self, epoch: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._writer().add_scalar(name, value, epoch)
        self._writer().flush()
