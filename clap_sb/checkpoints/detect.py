"""Finds out what a file is, from the names and shapes of its tensors alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from clap_sb.checkpoints import (
    htsat_audioset,
    laion,
    msclap,
    panns,
    transformers_clap,
    wavcaps,
)
from clap_sb.checkpoints.architecture import Architecture
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.weights_file import Weights


@dataclass(frozen=True)
class Family:
    """A public checkpoint format, and what the file of each is to define.

    Arguments
    ---------
    name : str
        Name, ``NAME`` in its file.
    recognise : callable
        A state dict to bool: whether it is of this family, by its names alone.
    describe : callable
        :class:`~clap_sb.checkpoints.weights_file.Weights` of the family to
        :class:`~clap_sb.checkpoints.architecture.Architecture`, from names and shapes.
    convert : callable
        Their state dict to ours.
    """

    name: str
    recognise: Callable[[Mapping[str, Any]], bool]
    describe: Callable[[Weights], Architecture]
    convert: Callable[[Mapping[str, Any]], dict[str, Any]]


def _family(module: Any, convert: Callable[..., dict[str, Any]]) -> Family:
    def describe(weights: Weights) -> Architecture:
        try:
            return module.describe(weights)
        except CheckpointError as error:
            raise CheckpointError(f"{weights.path}: {error}") from error
        except (LookupError, ValueError, TypeError, ArithmeticError) as error:
            raise CheckpointError(
                f"{weights.path} is named like {module.NAME}, but is not a whole one "
                f"({type(error).__name__}: {error})"
            ) from error

    return Family(module.NAME, module.recognise, describe, convert)


FAMILIES = (
    _family(laion, laion.from_laion),
    _family(transformers_clap, transformers_clap.from_transformers),
    _family(msclap, msclap.from_msclap),
    _family(wavcaps, wavcaps.from_wavcaps),
    _family(htsat_audioset, htsat_audioset.from_htsat_audioset),
    _family(panns, panns.from_panns),
)


def detect(weights: Weights) -> Family:
    """Finds the family of a file; its name does not matter.

    Arguments
    ---------
    weights : Weights
        What the file holds.

    Returns
    -------
    Family

    Raises
    ------
    CheckpointError
        If it is none that is known.

    Example
    -------
    >>> from pathlib import Path
    >>> detect(Weights({"audio_branch.bn0.bias": 0}, Path("x.pt"))).name
    'LAION-CLAP'
    """
    for family in FAMILIES:
        if family.recognise(weights.state):
            return family
    some = ", ".join(list(weights.state)[:3])
    known = ", ".join(family.name for family in FAMILIES)
    raise CheckpointError(
        f"{weights.path} is of no family known here ({known}): its tensors are named "
        f"{some}, ..."
    )
