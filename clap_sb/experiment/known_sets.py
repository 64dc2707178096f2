"""Data sets by name: those that have a recipe with a preparation."""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clap_sb.config import ConfigError


@dataclass(frozen=True)
class KnownSet:
    """Where the preparation of a data set is, and what it is told.

    Arguments
    ---------
    recipe : str
        The folder in ``recipes/``.
    function : str
        ``prepare_<dataset>``, in ``<dataset>_prepare.py`` there.
    options : mapping
        What tells the set from others of that recipe.
    has_captions : bool
        Whether it has the splits train, valid and test; else labels, and folds.
    """

    recipe: str
    function: str
    options: Mapping[str, Any] = field(default_factory=dict)
    has_captions: bool = True


KNOWN_SETS = {
    "AudioCaps": KnownSet("AudioCaps", "prepare_audiocaps", {"version": "1.0"}),
    "AudioCaps-2.0": KnownSet("AudioCaps", "prepare_audiocaps", {"version": "2.0"}),
    "Clotho": KnownSet("Clotho", "prepare_clotho"),
    "ESC-50": KnownSet("ESC-50", "prepare_esc50", has_captions=False),
    "ESC-10": KnownSet(
        "ESC-50", "prepare_esc50", {"subset": "ESC-10"}, has_captions=False
    ),
}
"""Data sets by the names that settings and results have for them."""


def load_preparation(name: str, recipes: Path) -> Callable[..., Any]:
    """Loads the preparation of a data set from its recipe's folder.

    Arguments
    ---------
    name : str
        A name in `KNOWN_SETS`.
    recipes : Path
        The folder of the recipes.

    Returns
    -------
    callable
        Takes ``data_folder``, ``save_folder`` and ``skip_prep``, and those of captioned
        sets ``splits``.

    Raises
    ------
    ConfigError
        If there is no such data set.

    Example
    -------
    >>> recipes = Path(__file__).parents[2] / "recipes"
    >>> load_preparation("AudioCaps-2.0", recipes).keywords
    {'version': '2.0'}
    """
    if name not in KNOWN_SETS:
        raise ConfigError(
            f"there is no data set {name!r}: name one of {', '.join(KNOWN_SETS)}, or "
            "a CSV file (NAME.csv)"
        )
    known = KNOWN_SETS[name]
    file = f"{known.function.removeprefix('prepare_')}_prepare.py"
    path = recipes / known.recipe / file
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look for themselves there
    spec.loader.exec_module(module)
    return functools.partial(getattr(module, known.function), **known.options)


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
