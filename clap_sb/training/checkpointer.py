"""A SpeechBrain checkpointer whose checkpoints are whole or absent."""

from __future__ import annotations

import contextlib
import logging
import shutil
from pathlib import Path

import torch
from speechbrain.utils.checkpoints import (
    CKPT_PREFIX,
    METAFNAME,
    Checkpoint,
    Checkpointer,
)
from speechbrain.utils.distributed import ddp_barrier, if_main_process

from clap_sb.whole_file import WriteError, disk_fault, to_disk

logger = logging.getLogger(__name__)

PARTIAL_PREFIX = "PARTIAL"


class AtomicCheckpointer(Checkpointer):
    """Writes a checkpoint under another name and renames it when it is complete.

    SpeechBrain writes the metadata first: a process that is killed while it saves
    leaves a folder that looks like the latest checkpoint and cannot be loaded.

    Arguments
    ---------
    checkpoints_dir : str or Path
        Folder of the checkpoints.
    recoverables : mapping, optional
        Objects to save, by name.

    Example
    -------
    >>> import torch
    >>> folder = getfixture("tmp_path")
    >>> checkpointer = AtomicCheckpointer(folder, {"model": torch.nn.Linear(1, 1)})
    >>> saved = checkpointer.save_checkpoint()
    >>> saved.path.name.startswith("CKPT+"), saved.paramfiles["model"].is_file()
    (True, True)
    """

    def _new_checkpoint_dirpath(self) -> Path:
        return self._partial(super()._new_checkpoint_dirpath())

    def _custom_checkpoint_dirpath(self, name: str) -> Path:
        return self._partial(super()._custom_checkpoint_dirpath(name))

    def _partial(self, path: Path) -> Path:
        self._remove_partial()
        return path.with_name(PARTIAL_PREFIX + path.name.removeprefix(CKPT_PREFIX))

    def _remove_partial(self) -> None:
        """What a process has left that was killed as it wrote or deleted one."""
        for left in self.checkpoints_dir.glob(f"{PARTIAL_PREFIX}+*"):
            shutil.rmtree(left)
        for left in self.checkpoints_dir.glob(f"{CKPT_PREFIX}+*"):
            if not (left / METAFNAME).exists():  # which SpeechBrain takes for none
                shutil.rmtree(left)

    def save_checkpoint(
        self, *args, verbosity: int = logging.INFO, **kwargs
    ) -> Checkpoint | None:
        """Saves as SpeechBrain does, then gives the folder its final name.

        Arguments
        ---------
        *args, **kwargs
            As SpeechBrain's.
        verbosity : int
            Level of the message that tells the name.

        Returns
        -------
        Checkpoint or None
            The checkpoint, on the main process.

        Raises
        ------
        WriteError
            If the disk is full, or may not be written to; those that were written
            before are whole, and the latest of them is named.
        """
        try:
            # its own message would name a folder that is gone when it is read
            saved = super().save_checkpoint(*args, verbosity=logging.NOTSET, **kwargs)
            if if_main_process():
                for file in saved.path.iterdir():
                    to_disk(file)
        except Exception as error:
            self._explain(error)
            raise
        ddp_barrier()  # other processes may still be writing their part
        if if_main_process():
            name = CKPT_PREFIX + saved.path.name.removeprefix(PARTIAL_PREFIX)
            final = saved.path.with_name(name)
            shutil.rmtree(final, ignore_errors=True)  # a named one, saved again
            saved.path.rename(final)
            files = {key: final / path.name for key, path in saved.paramfiles.items()}
            saved = Checkpoint(final, saved.meta, files)
            logger.log(verbosity, f"Saved a checkpoint in {final}")
        ddp_barrier()
        return saved

    def _explain(self, error: Exception) -> None:
        """Says what of the run is whole, where it is the disk's fault."""
        reason = disk_fault(error, self.checkpoints_dir)
        if reason is None:
            return
        with contextlib.suppress(OSError):  # of a disk that is read-only now
            self._remove_partial()
        latest = self.find_checkpoint()
        whole = "there is none yet to go on from"
        if latest is not None:
            whole = f"{latest.path} is whole, and the same command goes on from it"
        raise WriteError(
            f"no checkpoint can be written in {self.checkpoints_dir} ({reason}): mend "
            f"that, as by making room on the disk; {whole}"
        ) from error

    def save_and_keep_only(self, *args, **kwargs) -> None:
        """Saves, then deletes what is neither the latest nor among the best.

        Arguments
        ---------
        *args, **kwargs
            As SpeechBrain's, whose default list of keys grows with every call.
        """
        super().save_and_keep_only(*args, **{"importance_keys": [], **kwargs})

    def check_shared(self, name: str) -> None:
        """Makes sure that what is gone on with has a part just where this run has it.

        Arguments
        ---------
        name : str
            A part that not every run has.

        Raises
        ------
        ValueError
            If one of the two, the latest checkpoint and this run, has it alone, or its
            tensors are others.
        """
        saved = self.find_checkpoint()
        if saved is None:
            return
        if (name in saved.paramfiles) == (name in self.recoverables):
            if name in saved.paramfiles:
                self._check_fits(name, saved)
            return
        there, here = "learns", "does not"
        if name in self.recoverables:
            there, here = "does not learn", "does"
        raise ValueError(
            f"{saved.path} is of a run whose {name} {there}, and this one's {here}: "
            f"give the same {name}, or choose another output_folder"
        )

    def _check_fits(self, name: str, saved: Checkpoint) -> None:
        there = torch.load(saved.paramfiles[name], map_location="cpu")
        here = self.recoverables[name].state_dict()
        others = [
            key
            for key in {**there, **here}
            if _shape(there.get(key)) != _shape(here.get(key))
        ]
        if others:
            raise ValueError(
                f"{name} does not fit {saved.path}, which has another "
                f"{', '.join(others[:3])}: give it the arguments that it had, or "
                "choose another output_folder"
            )

    def recover_best(self, metric: str) -> Checkpoint:
        """Loads the checkpoint with the highest score, the latest of equals.

        Arguments
        ---------
        metric : str
            Name in the metadata.

        Returns
        -------
        Checkpoint

        Raises
        ------
        FileNotFoundError
            If no checkpoint has the score.
        """
        found = self.recover_if_possible(
            importance_key=lambda saved: (saved.meta[metric], saved.meta["unixtime"]),
            ckpt_predicate=lambda saved: metric in saved.meta,
        )
        if found is None:
            raise FileNotFoundError(
                f"there is no checkpoint with {metric!r} in {self.checkpoints_dir}: "
                "train first, with the same output_folder and best_metric"
            )
        return found


def _shape(value: object) -> object:
    return value.shape if isinstance(value, torch.Tensor) else value is None
