"""Data sets by name: those that have a recipe with a preparation."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from clap_sb.config import ConfigError

PREPARATIONS = {
    "AudioCaps": "prepare_audiocaps",
    "Clotho": "prepare_clotho",
    "ESC-50": "prepare_esc50",
}
"""The function that prepares each, in ``recipes/<name>/<dataset>_prepare.py``."""

CAPTIONED = ("AudioCaps", "Clotho")
"""Those that have the splits train, valid and test."""


def load_preparation(name: str, recipes: Path) -> Callable[..., Any]:
    """Loads the preparation of a data set from its recipe's folder.

    Arguments
    ---------
    name : str
        A name in `PREPARATIONS`.
    recipes : Path
        The folder of the recipes.

    Returns
    -------
    callable

    Raises
    ------
    ConfigError
        If there is no such data set.
    """
    if name not in PREPARATIONS:
        raise ConfigError(
            f"there is no data set {name!r}: name one of {', '.join(PREPARATIONS)}, or "
            "a CSV file (NAME.csv)"
        )
    function = PREPARATIONS[name]
    path = recipes / name / f"{function.removeprefix('prepare_')}_prepare.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, function)


def folder_of(name: str, folders: Mapping[str, str]) -> Path:
    """Where a data set lies that is not the recipe's own.

    Arguments
    ---------
    name : str
        Its name.
    folders : mapping of str to str
        The setting ``set_folders``.

    Returns
    -------
    Path

    Raises
    ------
    ConfigError
        If the setting does not say.

    Example
    -------
    >>> folder_of("Clotho", {"Clotho": "data/Clotho"}).as_posix()
    'data/Clotho'
    """
    if name not in folders:
        raise ConfigError(
            f"where does {name} lie? Give --set_folders '{{{name}: FOLDER}}'"
        )
    return Path(folders[name])
