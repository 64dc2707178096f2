"""What a run is made of and trained on: another one's folder is not gone on with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from clap_sb.checkpoints.part import Part
from clap_sb.checkpoints.run_description import PARTS, plain
from clap_sb.checkpoints.run_folder import has_checkpoints
from clap_sb.config import ConfigError
from clap_sb.data.manifest import Clip
from clap_sb.setting_kinds import tag_of
from clap_sb.whole_file import write_whole

IDENTITY_FILE = "identity.json"

# Arguments of the towers that change no weight's place and no token: they may change
# from one command to the next. What a tower starts from is of no account once it is
# loaded from a checkpoint.
_SWITCHES = {"freeze", "gradient_checkpointing", "spec_augment", "drop_path"}
_SWITCHES |= {"dropout", "source", "pretrained"}

# Classes of what a training goes on with, whose arguments may change as rates may.
_CLASSES = ("objective", "opt_class")
# What is frozen decides what the optimizer keeps a state of; a test has no optimizer.
# With another seed, each epoch to come would have another order and other draws.
_TRAINED = ("seed", "freeze_audio", "freeze_text", *_CLASSES)
# Runs of before do not tell of these, and are gone on with.
_NEWER = ("seed", *_CLASSES)
_COMPARED = (
    "seed",
    "audio_weights",
    "best_metric",
    "caption_policy",
    "keyword_captions",
    "keyword_captions_a_clip",
    "freeze_audio",
    "freeze_text",
)
# Files, folders or names on the hub
_PLACES = ("audio_weights", "text_source")
_NAMED = 5


@dataclass(frozen=True)
class Identity:
    """What tells a run from another one.

    Arguments
    ---------
    asked : mapping
        What its command asked for, flat and plain: model, start, training clips.
    trained_on : str
        Its training clips, in words.
    settled : mapping
        Settings that were found when it began, and hold whenever it is gone on with.
    """

    asked: Mapping[str, Any]
    trained_on: str
    settled: Mapping[str, Any] = field(default_factory=dict)

    def write(self, folder: Path, settled: Mapping[str, Any]) -> None:
        """Keeps it with the run, whole or not at all.

        Arguments
        ---------
        folder : Path
            The run's folder.
        settled : mapping
            What was settled.
        """
        path = folder / IDENTITY_FILE
        text = json.dumps(asdict(replace(self, settled=settled)), indent=1)
        write_whole(path, text)

    def settled_in(self, folder: Path, training: bool) -> Mapping[str, Any] | None:
        """What was settled when the run in a folder began, if it is this one.

        Arguments
        ---------
        folder : Path
            The run's folder.
        training : bool
            Whether the run is trained on, or tested alone.

        Returns
        -------
        mapping or None
            None where the folder holds no checkpoint to go on from.

        Raises
        ------
        ConfigError
            If there are checkpoints of another run; what differs is named.
        """
        if not has_checkpoints(folder):
            return None
        there = _read(folder / IDENTITY_FILE)
        of_no_account = () if training else _TRAINED
        differences = [
            f"{key} ({there.asked.get(key)} there, {self.asked.get(key)} here)"
            for key in {**there.asked, **self.asked}
            if there.asked.get(key) != self.asked.get(key)
            and key not in of_no_account
            and (key in there.asked or key not in _NEWER)
        ]
        if differences:
            named = ", ".join(differences[:_NAMED])
            more = len(differences) - _NAMED
            raise ConfigError(
                f"{folder} holds another run: it was trained on {there.trained_on}, "
                f"this one would be on {self.trained_on}; they differ in "
                f"{named}{f' and {more} more' if more > 0 else ''}. Choose "
                "another --output_folder (--init starts a new run from an old one), or "
                "delete it to start afresh"
            )
        return there.settled


def _read(path: Path) -> Identity:
    try:
        return Identity(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"there are checkpoints in {path.parent}, and {path.name}, which tells of "
            f"what run, cannot be read ({error}): choose another --output_folder, or "
            "delete it to start afresh"
        ) from error


def identity_of(
    values: Mapping[str, Any], clips: Sequence[Clip], start: Mapping[str, Any]
) -> Identity:
    """Tells what a run is made of and trained on.

    Arguments
    ---------
    values : mapping
        Its settings, with the parts of its model unbuilt.
    clips : sequence of Clip
        Its training clips.
    start : mapping
        What else determines its weights at the start and its tokenizer.

    Returns
    -------
    Identity
    """
    asked = {"system": str(values["system"])}
    for name in PARTS:
        asked |= _flat(name, _without_switches(plain(values[name])))
    for key, value in start.items():
        asked |= _flat(key, plain(value))
    asked |= {key: plain(values[key]) for key in _COMPARED if key in values}
    asked |= {key: _classes(values[key]) for key in _CLASSES if key in values}
    for key in _PLACES:
        if asked.get(key) is not None:  # however it is spelled
            asked[key] = Path(asked[key]).as_posix()
    if "train_csv" in values:  # in whatever folder it lies
        asked["train_csv"] = Path(values["train_csv"]).name
    asked["training_clips"] = fingerprint(clips)
    captions = sum(len(clip.captions) for clip in clips)
    told = f"{values['trained_on']} ({len(clips)} clips, {captions} captions)"
    return Identity(asked, told)


def fingerprint(clips: Iterable[Clip]) -> str:
    """A short text that is another one for other clips or captions.

    Arguments
    ---------
    clips : iterable of Clip
        Clips; where their files lie is of no account.

    Returns
    -------
    str

    Example
    -------
    >>> dog, moved = (Clip("a", f"/{place}/a.wav", 1.0, ("A dog",)) for place in "xy")
    >>> fingerprint([dog]) == fingerprint([moved]) != fingerprint([])
    True
    """
    digest = hashlib.sha256()
    for clip in clips:
        digest.update(json.dumps([clip.id, *clip.captions]).encode() + b"\n")
    return digest.hexdigest()[:16]


def _without_switches(part: Part) -> Part:
    kept = {key: v for key, v in part.arguments.items() if key not in _SWITCHES}
    return replace(part, arguments=kept)


def _classes(node: Any) -> str:
    """Names of the classes that a YAML node would build, those within it, too."""
    tag = tag_of(node)
    names = [tag.partition(":")[2]] if tag is not None else []
    inner = node.values() if isinstance(node, Mapping) else node
    if isinstance(node, Mapping | list):
        names += filter(None, map(_classes, inner))
    return ", ".join(names)


def _flat(name: str, value: Any) -> dict[str, Any]:
    """Nested settings by dotted names, so that each can be named where it differs."""
    if isinstance(value, Part):
        given = dict(enumerate(value.positional)) | dict(value.arguments)
        return {name: value.name} | _flat(name, given)
    if isinstance(value, list | tuple):  # JSON has no tuples, and knows no parts
        if not any(isinstance(item, Part | Mapping) for item in value):
            return {name: list(value)}
        value = dict(enumerate(value))
    if not isinstance(value, Mapping):
        return {name: value}
    found = {}
    for key, inner in value.items():
        found |= _flat(f"{name}.{key}", inner)
    return found
