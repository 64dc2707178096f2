"""The protocol card: what a score means, printed beside it."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib import metadata

from clap_sb.data.channels import CHANNEL_RULE


def markdown_table(rows: Sequence[Mapping[str, object]]) -> str:
    """Writes rows with the same keys as a table.

    Underscores in keys become spaces; floats get two decimals, and None a dash.
    Bars and line breaks inside a cell are escaped.

    Arguments
    ---------
    rows : sequence of mapping
        The rows; the keys of the first are the columns.

    Returns
    -------
    str
        The table, without a line break at its end.

    Raises
    ------
    ValueError
        If there is no row, or if rows have different keys.

    Example
    -------
    >>> print(markdown_table([{"label": "dog", "recall": 12.5}]))
    | label | recall |
    |---|---|
    | dog | 12.50 |
    """
    if not rows:
        raise ValueError("a table needs at least one row")
    columns = list(rows[0])
    for row in rows:
        if list(row) != columns:
            raise ValueError(f"rows differ in their columns: {columns}, {list(row)}")
    lines = [
        _line(column.replace("_", " ") for column in columns),
        "|" + "---|" * len(columns),
        *(_line(row.values()) for row in rows),
    ]
    return "\n".join(lines)


def _line(cells: Iterable[object]) -> str:
    """One line of a table."""
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(value: object) -> str:
    """Text of one cell."""
    if value is None:
        return "–"
    text = f"{value:.2f}" if isinstance(value, float) else str(value)
    return "<br>".join(text.replace("|", r"\|").splitlines())


_PACKAGES = (
    "torch",
    "torchaudio",
    "speechbrain",
    "transformers",
    "soundfile",
    "av",
    "clap_sb",
)


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that a score depends on.

    Returns
    -------
    dict
        Version by package, ``"not installed"`` for one that is absent.

    Example
    -------
    >>> sorted(package_versions())[:3]
    ['av', 'clap_sb', 'python']
    """
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


@dataclass(frozen=True)
class ProtocolCard:
    """What must be known to compare a score with another.

    A field that does not apply stays None and is left out of what is written.

    Arguments
    ---------
    dataset : str
        Name of the data set; the built-in one is called ``builtin (synthetic)``.
    split : str
        Split, or folds.
    num_clips : int
        Clips in the pool.
    crop_rule : str
        What of a long clip is heard, and how a short one is filled up.
    checkpoint : str
        Where the weights are from.
    selection : str
        How the checkpoint was chosen, e.g. by which score on which split.
    seed : int
        Seed of the evaluation.
    protocol : str
        ``"official"``, or what was done in another way.
    num_captions : int, optional
        Captions in the pool.
    captions_a_clip : str, optional
        How many captions a clip has and how they are counted.
    rescoring : str, optional
        Correction of similarities after the fact, with its numbers.
    prompt : str, optional
        Template that labels are put into.
    label_text : str, optional
        How a label becomes text.
    text_tower_origin : str, optional
        Where the text tower and its tokenizer are from.
    num_listed : int, optional
        Clips that the data set's list has.
    num_missing : int, optional
        Clips of the list that preparation left out, for want of usable audio.
    num_unreadable : int, optional
        Clips that preparation found, and that could not be read after all.
    channels : str
        How several channels become one.
    notes : tuple of str
        Anything else a reader must know.
    packages : mapping
        Package versions; those of this environment unless given.

    Example
    -------
    >>> card = ProtocolCard(
    ...     dataset="ESC-50",
    ...     split="folds 1-5",
    ...     num_clips=2000,
    ...     crop_rule="windows",
    ...     checkpoint="results/demo",
    ...     selection="best validation mAP@10",
    ...     seed=0,
    ... )
    >>> card.as_dict()["num_clips"]
    2000
    >>> "prompt" in card.as_dict()
    False
    """

    dataset: str
    split: str
    num_clips: int
    crop_rule: str
    checkpoint: str
    selection: str
    seed: int
    protocol: str = "official"
    num_captions: int | None = None
    captions_a_clip: str | None = None
    rescoring: str | None = None
    prompt: str | None = None
    label_text: str | None = None
    text_tower_origin: str | None = None
    num_listed: int | None = None
    num_missing: int | None = None
    num_unreadable: int | None = None
    channels: str = CHANNEL_RULE
    notes: tuple[str, ...] = ()
    packages: Mapping[str, str] = field(default_factory=package_versions)

    def as_dict(self) -> dict[str, object]:
        """The fields that apply, as JSON can hold them.

        Returns
        -------
        dict
            Value by field name, without those that are None.
        """
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        values |= {"notes": list(self.notes), "packages": dict(self.packages)}
        return {name: value for name, value in values.items() if value is not None}

    def as_markdown(self) -> str:
        """The fields that apply as a Markdown table, and the notes below it.

        Returns
        -------
        str
            The table, without a line break at its end.
        """
        values = self.as_dict()
        notes = values.pop("notes")
        values["packages"] = ", ".join(
            f"{package} {version}" for package, version in self.packages.items()
        )
        table = markdown_table(
            [
                {"protocol": name.replace("_", " "), "value": value}
                for name, value in values.items()
            ]
        )
        return "\n".join([table, *([""] if notes else []), *(f"* {n}" for n in notes)])
