"""Prepares a run's manifests aside, and puts them in place once it may begin."""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from speechbrain.utils.distributed import ddp_barrier, if_main_process, run_on_main

from clap_sb.checkpoints.run_folder import has_checkpoints
from clap_sb.config import ConfigError
from clap_sb.data.file_lock import file_lock
from clap_sb.data.manifest import FOLDER, SCRATCH

logger = logging.getLogger(__name__)

LOCK = "manifests.lock"
"""A file that the process holds which prepares data in the folder."""


@contextlib.contextmanager
def prepared_aside(folder: Path, runs: Iterable[Path]) -> Iterator[Path]:
    """Gives a scratch folder for manifests, which takes their place at the block's end.

    It begins with the manifests that are there, so that what is up to date is not
    prepared again. Where the block is ended early, or the process killed in it, they
    stay as they are; but what was prepared of a run that has no checkpoint yet is kept,
    unless the command was refused. Of several processes with one folder, as where folds
    are trained side by side, each waits until the others have left the block.

    Arguments
    ---------
    folder : Path
        The folder of the manifests' folder.
    runs : iterable of Path
        Folders of the runs that are trained by them.

    Yields
    ------
    Path
        Where to prepare.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> manifest = folder / "manifests" / "train.json"
    >>> manifest.parent.mkdir()
    >>> _ = manifest.write_text("good")
    >>> with contextlib.suppress(ConfigError), prepared_aside(folder, [folder]) as new:
    ...     _ = (new / manifest.name).write_text("another's")
    ...     raise ConfigError
    >>> manifest.read_text()
    'good'
    """
    trained = any(map(has_checkpoints, runs))
    with contextlib.ExitStack() as stack:
        if if_main_process():
            stack.enter_context(_alone(folder))
        run_on_main(_begin, args=[folder, trained])
        try:
            yield folder / SCRATCH
        except BaseException as error:
            if if_main_process():
                refused = isinstance(error, ConfigError) and (folder / FOLDER).is_dir()
                _discard(folder) if trained or refused else _put_in_place(folder)
            raise
        ddp_barrier()  # the others have read there
        run_on_main(_put_in_place, args=[folder])


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Waits until no other process prepares data in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(file_lock(folder / LOCK, wait=True))
        except OSError as error:
            logger.warning(
                "%s cannot be locked (%s): let no other process begin in it before "
                "the training of this one",
                folder,
                error.strerror,
            )
        yield


def _begin(folder: Path, trained: bool) -> None:
    """Clears up after a process that was killed, and begins with what is there."""
    manifests, scratch, replaced = _places(folder)
    if replaced.is_dir() and not manifests.is_dir():
        replaced.rename(manifests)  # it was killed between the two steps
    shutil.rmtree(replaced, ignore_errors=True)
    if trained or manifests.is_dir():
        _discard(folder)
    else:
        _put_in_place(folder)
    if manifests.is_dir():
        shutil.copytree(manifests, scratch)


def _put_in_place(folder: Path) -> None:
    manifests, scratch, replaced = _places(folder)
    if not scratch.is_dir():
        return  # nothing was prepared
    if manifests.is_dir():
        manifests.rename(replaced)
    scratch.rename(manifests)
    shutil.rmtree(replaced, ignore_errors=True)


def _discard(folder: Path) -> None:
    shutil.rmtree(folder / SCRATCH, ignore_errors=True)


def _places(folder: Path) -> tuple[Path, Path, Path]:
    """The manifests, those to come, and those before while the new ones come."""
    return folder / FOLDER, folder / SCRATCH, folder / "manifests.before"
