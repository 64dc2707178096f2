"""Keeps a run's manifests from the preparation of another one that is refused."""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from speechbrain.utils.distributed import if_main_process, run_on_main

from clap_sb.checkpoints.run_folder import has_checkpoints
from clap_sb.data.file_lock import file_lock

logger = logging.getLogger(__name__)

LOCK = "manifests.lock"
"""A file that the process holds which prepares data in the folder."""


@contextlib.contextmanager
def kept_where_refused(folder: Path, runs: Iterable[Path]) -> Iterator[None]:
    """Gives runs their manifests back where another one is refused in their folder.

    Whatever ends the block early counts. Where the process is killed in it, the next
    one gives them back. Of several processes with one folder, as where folds are
    trained side by side, each waits until the others have left the block.

    Arguments
    ---------
    folder : Path
        The folder with the manifests.
    runs : iterable of Path
        Folders of the runs that were trained by them; without a checkpoint in any of
        them, there is nothing to keep.

    Yields
    ------
    None

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> manifest = folder / "manifests" / "train.json"
    >>> for path in (manifest.parent, folder / "save" / "CKPT+1"):
    ...     path.mkdir(parents=True)
    >>> _ = manifest.write_text("good")
    >>> with contextlib.suppress(ValueError), kept_where_refused(folder, [folder]):
    ...     _ = manifest.write_text("another's")
    ...     raise ValueError
    >>> manifest.read_text()
    'good'
    """
    with contextlib.ExitStack() as stack:
        if if_main_process():
            stack.enter_context(_alone(folder))
        run_on_main(_give_back, args=[folder])  # what a process that was killed left
        if if_main_process() and any(map(has_checkpoints, runs)):
            stack.enter_context(_kept(folder))
        yield


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


@contextlib.contextmanager
def _kept(folder: Path) -> Iterator[None]:
    """Gives the manifests back where the block is ended early."""
    manifests, copy, scratch = _places(folder)
    if not manifests.is_dir():
        yield
        return
    shutil.copytree(manifests, scratch)
    scratch.rename(copy)  # whole or absent
    try:
        yield
    except BaseException:
        _give_back(folder)
        raise
    copy.rename(scratch)
    shutil.rmtree(scratch)


def _give_back(folder: Path) -> None:
    """Puts the copy, where there is one, in the place of the manifests."""
    manifests, copy, scratch = _places(folder)
    shutil.rmtree(scratch, ignore_errors=True)  # half a folder
    if not copy.is_dir():
        return
    if manifests.is_dir():
        manifests.rename(scratch)
    copy.rename(manifests)
    shutil.rmtree(scratch, ignore_errors=True)


def _places(folder: Path) -> tuple[Path, Path, Path]:
    """The manifests, their copy, and where half a folder may lie."""
    names = ("manifests", "manifests.before", "manifests.partial")
    manifests, copy, scratch = (folder / name for name in names)
    return manifests, copy, scratch
