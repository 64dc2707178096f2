"""What a checkpoint is, in words, and the same model in another format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from clap_sb.checkpoints.architecture import Architecture
from clap_sb.checkpoints.detect import detect
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.reading import read_weights
from clap_sb.checkpoints.run_description import FAMILY as OWN_FAMILY
from clap_sb.checkpoints.run_folder import load_run
from clap_sb.checkpoints.speechbrain_folder import (
    DESCRIPTION_FILE,
    read_description,
    write_speechbrain_folder,
)
from clap_sb.checkpoints.transformers_folder import write_transformers_folder
from clap_sb.inference.opening import is_run, open_checkpoint
from clap_sb.inference.source import find_checkpoint

FORMATS: dict[str, Callable[..., None]] = {
    "speechbrain": write_speechbrain_folder,
    "transformers": write_transformers_folder,
}


def inform(source: str | Path) -> str:
    """Tells what a checkpoint is.

    Arguments
    ---------
    source : str or Path
        A file, a folder (a training run's too), or a name on the Hugging Face hub.

    Returns
    -------
    str
        A few lines.

    Raises
    ------
    CheckpointError
        If it cannot be read, or is of no known family.
    """
    path, facts = find_checkpoint(source), {}
    if is_run(path):
        run = load_run(path)
        architecture, count, facts = run.architecture, None, run.facts
    elif (path / DESCRIPTION_FILE).is_file():
        architecture, count = read_description(path), None
    else:
        weights = read_weights(path)
        architecture = detect(weights).describe(weights)
        count = sum(value.numel() for value in weights.state.values())
    return _table(path, architecture, count, facts)


def _table(
    path: Path,
    architecture: Architecture,
    count: int | None,
    facts: Mapping[str, str],
) -> str:
    text = architecture.text
    rows = {
        "file": path,
        "family": architecture.family,
        "towers": architecture.description,
        "joint dimension": architecture.joint_dim,
        "sample rate": f"{architecture.sample_rate} Hz",
        "window": f"{architecture.seconds:g} s",
        "tokenizer": "none: an audio tower alone" if text is None else text.tokenizer,
        "layout": _layout(architecture),
        **facts,
    }
    if count is not None:
        rows["numbers"] = f"{count:,} in all tensors of the file"
    return "\n".join(f"{name:<16} {value}" for name, value in rows.items())


def _layout(architecture: Architecture) -> str:
    if architecture.family == OWN_FAMILY:
        return "our own"
    if architecture.verified:
        return "verified against the family's own classes"
    return "unverified: taken from the family's published source"


def convert(
    source: str | Path, out: str | Path, to: str, tokenizer: str | None = None
) -> str:
    """Writes a checkpoint in another format.

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

    Returns
    -------
    str
        What was written.

    Raises
    ------
    CheckpointError
        If the checkpoint cannot be loaded, the folder is in use, or the format has no
        place for the model.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CheckpointError(f"{out} exists already: name another folder")
    opened = open_checkpoint(find_checkpoint(source), tokenizer)
    FORMATS[to](opened.loaded, out, opened.tokenizer, opened.facts)
    architecture = opened.loaded.architecture
    lines = [f"{out}: {architecture.family}, {architecture.description}, for {to}"]
    if architecture.text is not None and opened.tokenizer is None:
        lines.append(
            f"The tokenizer {architecture.text.tokenizer} could not be fetched and is "
            "not in the folder: the text tower takes token tensors only. Give it by "
            "--tokenizer"
        )
    return "\n".join(lines)
