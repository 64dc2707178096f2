"""Sentences that stand for a class: templates, and descriptions from a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F

from clap_sb.data.text_file import read_lines, read_text
from clap_sb.evaluation.embedding import embed_captions
from clap_sb.evaluation.zero_shot import DEFAULT_PROMPT, prompt
from clap_sb.model import CLAP


@dataclass(frozen=True)
class Prompts:
    """How labels become sentences.

    A class is the mean of the unit-norm embeddings of its sentences: one for each
    template, or its descriptions where there are any, which are taken as they are.

    Arguments
    ---------
    templates : tuple of str
        Texts with ``{label}`` where the label goes. Other braces stay as they are.
    keep_underscores : bool
        Whether underscores in labels stay; else they become spaces.
    descriptions : mapping
        Sentences by label; either none, or of every class.

    Raises
    ------
    ValueError
        If there is no template, or one has no ``{label}``.

    Example
    -------
    >>> Prompts(("A {label}.", "I hear a {label}")).of("sea_gull")
    ('A sea gull.', 'I hear a sea gull')
    """

    templates: tuple[str, ...] = (DEFAULT_PROMPT,)
    keep_underscores: bool = False
    descriptions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self):
        if not self.templates:
            raise ValueError("there is no prompt template: give at least one")
        for template in self.templates:
            prompt("label", template)

    def of(self, label: str) -> tuple[str, ...]:
        """The sentences of a label.

        Arguments
        ---------
        label : str
            Label as the data set has it.

        Returns
        -------
        tuple of str

        Raises
        ------
        ValueError
            If other labels are described, and this one is not.
        """
        if self.descriptions:
            if label not in self.descriptions:
                raise ValueError(
                    f"there is no description of {label!r}; the file describes "
                    f"{len(self.descriptions)} labels, the first of them "
                    f"{next(iter(self.descriptions))!r}"
                )
            return self.descriptions[label]
        return tuple(
            prompt(label, template, self.keep_underscores)
            for template in self.templates
        )

    @property
    def text(self) -> str:
        """The templates in words, for the protocol card."""
        if self.descriptions:
            counts = [len(sentences) for sentences in self.descriptions.values()]
            low, high = min(counts), max(counts)
            number = str(low) if low == high else f"{low} to {high}"
            return f"descriptions of each class ({number}), averaged"
        if len(self.templates) == 1:
            return self.templates[0]
        return f"mean of {len(self.templates)}: " + " | ".join(self.templates)

    @property
    def label_text(self) -> str:
        """How a label becomes text, for the protocol card."""
        if self.descriptions:
            return "none: described"
        kept = "kept" if self.keep_underscores else "turned to spaces"
        return f"the data set's names, underscores {kept}"

    @torch.no_grad()
    def embed(self, clap: CLAP, labels: Sequence[str]) -> torch.Tensor:
        """Embeds classes.

        Arguments
        ---------
        clap : CLAP
            In eval mode.
        labels : sequence of str
            The classes.

        Returns
        -------
        torch.Tensor
            ``[num_classes, joint_dim]``, unit norm, on the CPU.
        """
        sentences = [self.of(label) for label in labels]
        flat = embed_captions(clap, [text for group in sentences for text in group])
        groups = flat.split([len(group) for group in sentences])
        return F.normalize(torch.stack([group.mean(0) for group in groups]), dim=1)


def read_templates(given: str | Sequence[str]) -> tuple[str, ...]:
    """Reads what a user gives as prompt.

    Arguments
    ---------
    given : str or sequence of str
        A template, several of them, or a text file with one a line.

    Returns
    -------
    tuple of str

    Raises
    ------
    FileNotFoundError
        If it is neither a template nor a file.

    Example
    -------
    >>> read_templates("This is {label}.")
    ('This is {label}.',)
    """
    if not isinstance(given, str):
        return tuple(given)
    if "{label}" in given:
        return (given,)
    path = Path(given)
    if not path.is_file():
        raise FileNotFoundError(
            f"prompt {given!r} has no {{label}} and is no file: give a template such "
            f"as {DEFAULT_PROMPT!r}, a list of them, or a file with one a line"
        )
    return tuple(read_lines(path))


def read_descriptions(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Reads descriptions of classes.

    Arguments
    ---------
    path : str or Path
        A YAML or JSON file: a sentence, or a list of them, by label.

    Returns
    -------
    dict
        Sentences by label.

    Raises
    ------
    ValueError
        If the file is something else, a label is there twice, or has no sentence.

    Example
    -------
    >>> path = getfixture("tmp_path") / "described.yaml"
    >>> _ = path.write_text("dog: A dog barks.\\nrain: [Rain falls., It drips.]\\n")
    >>> read_descriptions(path)["rain"]
    ('Rain falls.', 'It drips.')
    """
    values = _by_label(read_text(path), path)
    if not isinstance(values, dict) or not values:
        raise ValueError(f"{path} must hold a sentence, or a list of them, by label")
    described = {}
    for label, given in values.items():
        sentences = tuple(given) if isinstance(given, list) else (given,)
        if not sentences or not all(
            isinstance(s, str) and s.strip() for s in sentences
        ):
            raise ValueError(f"{path}: {label!r} has no sentence, or one that is none")
        described[str(label)] = sentences
    return described


def _by_label(text: str, path: str | Path) -> object:
    """JSON is YAML but for its tabs, so it is tried first."""
    import ruamel.yaml

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        values = dict(pairs)
        if len(values) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(
                f"{path} has {twice!r} twice: give its sentences as one list"
            )
        return values

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError:
        pass  # it may be YAML
    try:
        return ruamel.yaml.YAML(typ="safe", pure=True).load(text)
    except ruamel.yaml.YAMLError as error:
        told = str(error).partition("\nTo suppress")[0].strip()
        raise ValueError(f"{path} cannot be read as YAML or JSON: {told}") from error
