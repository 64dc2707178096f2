"""Keeps a run's manifests from the preparation of another one that is refused."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from speechbrain.utils.distributed import if_main_process, run_on_main

from clap_sb.checkpoints.run_folder import has_checkpoints


@contextlib.contextmanager
def kept_where_refused(folder: Path, runs: Iterable[Path]) -> Iterator[None]:
    """Gives runs their manifests back where another one is refused in their folder.

    Whatever ends the block early counts. Where the process is killed in it, the next
    one gives them back.

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
    run_on_main(_give_back, args=[folder])  # what a process that was killed left
    manifests, copy, scratch = _places(folder)
    started = any(map(has_checkpoints, runs))
    if not (started and if_main_process() and manifests.is_dir()):
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
