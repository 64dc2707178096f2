"""What a checkpoint is, in words, and the same model in another format."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clap_sb.checkpoints.alike_texts import are_alike, least_cosine, sentence
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.open_checkpoint import (
    describe_checkpoint,
    load_checkpoint,
    open_checkpoint,
)
from clap_sb.checkpoints.part import Trust
from clap_sb.checkpoints.run_description import FAMILY as OWN_FAMILY
from clap_sb.checkpoints.shortened import shortened
from clap_sb.checkpoints.speechbrain_folder import write_speechbrain_folder
from clap_sb.checkpoints.transformers_folder import write_transformers_folder
from clap_sb.whole_file import whole_folder

logger = logging.getLogger(__name__)

FORMATS: dict[str, Callable[..., None]] = {
    "speechbrain": write_speechbrain_folder,
    "transformers": write_transformers_folder,
}


@dataclass(frozen=True)
class CheckpointFacts:
    """What a checkpoint is.

    Arguments
    ---------
    path : str
        Where it lies.
    family : str
        Its family.
    towers : str
        Its towers, in words.
    joint_dim : int
        Width of the embeddings.
    sample_rate : int
        Sample rate of the waveforms, Hz.
    window : float
        Length of the audio tower's window, seconds.
    tokenizer : str or None
        What its text tower was trained with; None for an audio tower alone.
    verified : bool
        Whether the layout was checked against the family's own classes.
    numbers : int or None
        Numbers in all tensors of the file; not counted for an export or a run.
    text_cosine : float or None
        The least cosine between some unlike sentences
        (:mod:`clap_sb.checkpoints.alike_texts`); None if there is no text tower, or no
        tokenizer, or the model cannot be loaded.
    origin : mapping
        What a training run tells of itself, by names.
    classes : sequence of str
        What it is built of that clap_sb does not have.
    weights_of : sequence of str
        Whose weights it started from, and under what licence, as far as it tells.
    """

    path: str
    family: str
    towers: str
    joint_dim: int
    sample_rate: int
    window: float
    tokenizer: str | None
    verified: bool
    numbers: int | None
    text_cosine: float | None = None
    origin: Mapping[str, str] = field(default_factory=dict)
    classes: Sequence[str] = ()
    weights_of: Sequence[str] = ()

    def table(self) -> str:
        """The same in a few lines for people.

        Returns
        -------
        str
        """
        rows = {
            "file": self.path,
            "family": self.family,
            "towers": self.towers,
            "joint dimension": self.joint_dim,
            "sample rate": f"{self.sample_rate} Hz",
            "window": f"{self.window:g} s",
            "tokenizer": self.tokenizer or "none: an audio tower alone",
            "layout": self._layout(),
            **({"classes": ", ".join(self.classes)} if self.classes else {}),
            **({} if self.tokenizer is None else {"texts": self._texts()}),
            **self.origin,
        }
        if self.weights_of:
            rows["weights of"] = "; ".join(self.weights_of)
        if self.numbers is not None:
            rows["numbers"] = f"{self.numbers:,} in all tensors of the file"
        return "\n".join(f"{name:<16} {value}" for name, value in rows.items())

    def _texts(self) -> str:
        if self.text_cosine is None:
            return "not compared: that takes a whole model and its tokenizer"
        if are_alike(self.text_cosine):
            return f"WARNING: {sentence(self.text_cosine)}"
        return f"told apart (least cosine of unlike ones: {self.text_cosine:.2f})"

    def _layout(self) -> str:
        if self.family == OWN_FAMILY:
            return "our own"
        if self.verified:
            return "verified against the family's own classes"
        return "unverified: taken from the family's published source"


def inform(
    source: str | Path, tokenizer: str | Path | None = None, trust: Trust = False
) -> CheckpointFacts:
    """Tells what a checkpoint is.

    What it is built of is named, and not imported unless it is trusted: its texts are
    not compared then.

    Arguments
    ---------
    source : str or Path
        A file, a folder (a training run's too), or a name on the Hugging Face hub.
    tokenizer : str or Path, optional
        Folder or hub name of the tokenizer, to compare texts with; searched for unless
        given.
    trust : bool or collection of str
        Whether it may be of classes that are not clap_sb's, which are then imported.

    Returns
    -------
    CheckpointFacts

    Raises
    ------
    CheckpointError
        If it cannot be read, or is of no known family.
    """
    found = describe_checkpoint(source, trust=True)  # to be told of, not to be built
    architecture = found.architecture
    text = architecture.text
    return CheckpointFacts(
        path=str(found.path) if found.run is None else found.source,
        family=architecture.family,
        towers=architecture.description,
        joint_dim=architecture.joint_dim,
        sample_rate=architecture.sample_rate,
        window=architecture.seconds,
        tokenizer=None if text is None else text.tokenizer,
        verified=architecture.verified,
        numbers=found.numbers,
        text_cosine=None if text is None else _text_cosine(source, tokenizer, trust),
        origin=found.facts,
        classes=architecture.strange_names,
        weights_of=architecture.weights_of,
    )


def _text_cosine(
    source: str | Path, tokenizer: str | Path | None, trust: Trust
) -> float | None:
    try:
        return least_cosine(load_checkpoint(source, tokenizer, trust).clap)
    except CheckpointError as error:  # what is known of it is told all the same
        logger.warning("its texts were not compared: %s", error)
        return None


@dataclass(frozen=True)
class Converted:
    """What was written.

    Arguments
    ---------
    path : str
        The folder.
    to : str
        Its format.
    family : str
        The model's family.
    towers : str
        Its towers, in words.
    missing_tokenizer : str or None
        Name of the tokenizer that could not be had and is not in the folder.
    """

    path: str
    to: str
    family: str
    towers: str
    missing_tokenizer: str | None = None

    def report(self) -> str:
        """The same in a line or two for people.

        Returns
        -------
        str
        """
        lines = [f"{self.path}: {self.family}, {self.towers}, for {self.to}"]
        if self.missing_tokenizer is not None:
            lines.append(
                f"The tokenizer {self.missing_tokenizer} could not be fetched and is "
                "not in the folder: the text tower takes token tensors only. Give it "
                "by --tokenizer"
            )
        return "\n".join(lines)


def convert(
    source: str | Path,
    out: str | Path,
    to: str,
    tokenizer: str | None = None,
    trust: Trust = False,
    dimensions: int | None = None,
) -> Converted:
    """Writes a checkpoint in another format, or with shorter embeddings.

    Arguments
    ---------
    source : str or Path
        A file, a folder (a training run's too), or a name on the Hugging Face hub.
    out : str or Path
        Folder to write.
    to : str
        ``speechbrain`` or ``transformers``.
    tokenizer : str, optional
        Folder or hub name of the tokenizer.
    trust : bool or collection of str
        Whether it may be of classes that are not clap_sb's, which are then imported.
    dimensions : int, optional
        Numbers that are kept of each embedding
        (:func:`~clap_sb.checkpoints.shortened.shortened`); all of them unless given.

    Returns
    -------
    Converted

    Raises
    ------
    CheckpointError
        If the checkpoint cannot be loaded, the folder is in use, or the format has no
        place for the model.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CheckpointError(f"{out} exists already: name another folder")
    checkpoint = open_checkpoint(source, tokenizer, trust=trust)
    if dimensions is not None:
        checkpoint = shortened(checkpoint, dimensions)
    with whole_folder(out) as unfinished:
        FORMATS[to](checkpoint, unfinished)
    architecture = checkpoint.architecture
    missing = None
    text = architecture.text
    if text is not None and text.has_source and checkpoint.tokenizer is None:
        missing = text.tokenizer
    return Converted(
        str(out), to, architecture.family, architecture.description, missing
    )
