"""The CLIP whose space a model learned, beside the model in its export."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from clap_sb.checkpoints.architecture import Architecture, Part
from clap_sb.encoders.clip_joint_text import CLIP_SPACE
from clap_sb.encoders.text_source import PATTERNS

CLIP_FOLDER = "clip"


def take_clip_along(architecture: Architecture, folder: Path) -> Architecture:
    """Copies a CLIP that is a folder here, so that an export stands by itself.

    One that is a repository's name is found by it anywhere, and is not copied.

    Arguments
    ---------
    architecture : Architecture
        What a model is made of.
    folder : Path
        Its export; receives ``clip/``.

    Returns
    -------
    Architecture
        The same, with the CLIP's new place.

    Example
    -------
    >>> tower, head = Part("clap_sb.encoders.cnn14.CNN14"), Part("torch.nn.Identity")
    >>> alone = Architecture("PANNs", "CNN14", tower, head, 2048)
    >>> take_clip_along(alone, getfixture("tmp_path")) == alone
    True
    """
    text = architecture.text
    clip = None if text is None else text.config.get(CLIP_SPACE)
    if clip is None or not Path(clip).is_dir():
        return architecture
    (folder / CLIP_FOLDER).mkdir()
    weights = () if any(Path(clip).glob("*.safetensors")) else ("*.bin",)
    for pattern in (*PATTERNS, *weights):
        for path in Path(clip).glob(pattern):
            shutil.copyfile(path, folder / CLIP_FOLDER / path.name)
    return _with_clip(architecture, CLIP_FOLDER)


def locate_clip(architecture: Architecture, folder: Path) -> Architecture:
    """Says where the CLIP of an export is now.

    Arguments
    ---------
    architecture : Architecture
        What the export's description tells.
    folder : Path
        The export.

    Returns
    -------
    Architecture
    """
    place, text = folder / CLIP_FOLDER, architecture.text
    if text is None or not place.is_dir() or text.config.get(CLIP_SPACE) != CLIP_FOLDER:
        return architecture
    return _with_clip(architecture, str(place.resolve()))


def _with_clip(architecture: Architecture, place: str) -> Architecture:
    text = architecture.text
    part = Part(text.part.name, {**text.part.arguments, "clip": place})
    text = replace(text, part=part, config={**text.config, CLIP_SPACE: place})
    return replace(architecture, text=text)
