"""What comes of opening a checkpoint: a model, and what is known of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from clap_sb.checkpoints.architecture import Architecture
from clap_sb.checkpoints.run_description import FAMILY
from clap_sb.checkpoints.run_scores import Score, scores_of
from clap_sb.model import CLAP

UNKNOWN = "data that the checkpoint does not tell"
_FOLDERS = re.compile(r"(?<![^\s(,])(/|[A-Za-z]:[\\/])([^\s,()]+[\\/])+")


@dataclass(frozen=True, kw_only=True)
class CheckpointDescription:
    """What is known of a checkpoint before its model is loaded.

    Arguments
    ---------
    source : str
        How it was named: a path as it was given, or a name on the hub.
    path : Path
        Where its weights are: a file or a folder; of a run, one checkpoint's folder.
    architecture : Architecture
        What its model is made of.
    system : str
        Name of the system's YAML; family and towers where none is told.
    trained_on : str
        Data set.
    text_tower_origin : str
        What the text tower started from.
    selection : str
        How the checkpoint was selected.
    run : Path or None
        Output folder of the training run that it belongs to, if it is of one.
    numbers : int or None
        Numbers in all tensors of a public file; not counted for an export or a run.
    """

    source: str
    path: Path
    architecture: Architecture
    system: str
    trained_on: str = UNKNOWN
    text_tower_origin: str = "the checkpoint"
    selection: str = "as published"
    run: Path | None = None
    numbers: int | None = None

    @property
    def description(self) -> str:
        """What the model is, in words."""
        told = self.architecture.description
        family = self.architecture.family
        return told if family == FAMILY else f"{family}: {told}"

    @property
    def place(self) -> str:
        """Where it is, for a report: of a run, which of its checkpoints."""
        return self.source if self.run is None else str(self.path)

    @property
    def is_told(self) -> bool:
        """Whether it tells of its origin: a run does, and an export of one."""
        return self.trained_on != UNKNOWN

    def to_hand_on(self) -> CheckpointDescription:
        """The same for others: no word of the folders of this machine.

        Returns
        -------
        CheckpointDescription
            What it is and was trained on and started from, with files by bare names.
        """
        told = {
            name: _FOLDERS.sub("", getattr(self, name))
            for name in ("trained_on", "text_tower_origin")
        }
        described = _FOLDERS.sub("", self.architecture.description)
        architecture = replace(self.architecture, description=described)
        return replace(self, **told, architecture=architecture)

    def scores(self) -> list[Score]:
        """What the reports of its run say of it, for a model card.

        Returns
        -------
        list of Score
            None where it is of no run, or of one that was not tested yet; with files
            by bare names, as in :meth:`to_hand_on`.
        """
        found = [] if self.run is None else scores_of(self.run, self.path.name)
        return [replace(one, test=_FOLDERS.sub("", one.test)) for one in found]

    @property
    def facts(self) -> dict[str, str]:
        """Its origin, for a model card; empty where nothing is told."""
        if not self.is_told:
            return {}
        return {
            "trained on": self.trained_on,
            "text tower": self.text_tower_origin,
            "checkpoint": self.selection,
        }


@dataclass(frozen=True, kw_only=True)
class Checkpoint(CheckpointDescription):
    """A model with its tokenizer, and what is known of its origin.

    Arguments
    ---------
    clap : CLAP
        The model, in eval mode.
    tokenizer : Path or None
        Folder with the tokenizer; None if there is no text tower, it has its tokens by
        itself, or the tokenizer is not to be had, and then the tower takes tokens only.
    """

    clap: CLAP
    tokenizer: Path | None = None
