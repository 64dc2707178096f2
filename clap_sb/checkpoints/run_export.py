"""Writes a training run's best model as an export: a folder that stands by itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clap_sb.checkpoints.architecture import Architecture, Part, TextTower
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.loading import Loaded
from clap_sb.checkpoints.run_folder import MODEL_FILE, TEXT_FOLDER, load_run
from clap_sb.checkpoints.speechbrain_folder import write_speechbrain_folder

EXPORT_FOLDER = "export"
FAMILY = "clap_sb"
_NEW = "!new:"


def export_run(run: str | Path) -> Path:
    """Writes the best checkpoint of a run to its ``export`` folder.

    An export of an earlier end of training is replaced.

    Arguments
    ---------
    run : str or Path
        A run's output folder.

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
    loaded = load_run(run)
    architecture = describe_run(run)
    folder = run / EXPORT_FOLDER
    partial = run / f"{EXPORT_FOLDER}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    write_speechbrain_folder(
        Loaded(loaded.clap, architecture),
        partial,
        run / TEXT_FOLDER,
        facts={
            "trained on": loaded.trained_on,
            "text tower": loaded.text_tower_origin,
            "checkpoint": loaded.selection,
        },
    )
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return folder


def describe_run(run: Path) -> Architecture:
    """Tells what the model of a run is made of.

    Arguments
    ---------
    run : Path
        A run's output folder.

    Returns
    -------
    Architecture

    Raises
    ------
    CheckpointError
        If ``model.yaml`` builds it of anything but our towers and heads.
    """
    import ruamel.yaml

    text = (run / MODEL_FILE).read_text(encoding="utf-8")
    values = ruamel.yaml.YAML().load(text)
    audio_encoder = _part(values["audio_encoder"])
    projection = _part(values["audio_projection"])
    tower = _part(values["text_encoder"])
    without_source = {k: v for k, v in tower.arguments.items() if k != "source"}
    config = json.loads((run / TEXT_FOLDER / "config.json").read_text(encoding="utf-8"))
    return Architecture(
        family=FAMILY,
        description=f"{values['system']}, trained on {values['trained_on']}",
        audio_encoder=audio_encoder,
        audio_projection=projection,
        joint_dim=projection.arguments["joint_dim"],
        text=TextTower(Part(tower.name, without_source), config, TEXT_FOLDER),
        text_projection=_part(values["text_projection"]),
    )


def _part(node: Any) -> Part:
    """What a ``!new:`` node builds, built of nothing yet."""
    name = str(node.tag.value)
    if not name.startswith(_NEW):
        raise CheckpointError(
            f"a model is exported from parts that are built by {_NEW}, not {name}"
        )
    arguments = node if isinstance(node, Mapping) else {}
    return Part(
        name.removeprefix(_NEW), {str(k): _plain(v) for k, v in arguments.items()}
    )


def _plain(value: Any) -> Any:
    """A YAML value as the plain Python one that JSON has."""
    from ruamel.yaml.scalarbool import ScalarBoolean

    if getattr(value, "tag", None) is not None and value.tag.value is not None:
        return _part(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    for kind in (bool, int, float, str):
        if isinstance(value, ScalarBoolean if kind is bool else kind):
            return kind(value)
    return value
