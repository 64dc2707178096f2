"""How similar a sound must be to a label: learned from a few labelled recordings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from clap_sb.data.audio import AudioError, probe_to_end
from clap_sb.data.csv_rows import Row
from clap_sb.data.rows_by_file import rows_by_file
from clap_sb.data.text_file import read_text
from clap_sb.inference.model_fingerprint import fingerprint
from clap_sb.inference.segments import Segment
from clap_sb.inference.tag_options import TagOptions
from clap_sb.whole_file import write_whole

if TYPE_CHECKING:
    from clap_sb.inference.clap import CLAP

# a cosine that says little: what LAION's and MS' models give for a sound and a
# sentence that have something to do with each other
DEFAULT_THRESHOLD = 0.2

_COLUMNS = ("file", "start", "end", "label")


@dataclass(frozen=True)
class Calibration:
    """The similarity above which a label is believed, for each label.

    Arguments
    ---------
    thresholds : mapping of str to float
        Cosines, by label.
    options : TagOptions
        How the recordings were listened to: thresholds of other windows differ.
    model : str
        What model they are for, in words; nothing of a guess for any model.
    fingerprint : str
        Which model that is
        (:func:`~clap_sb.inference.model_fingerprint.fingerprint`).

    Example
    -------
    >>> Calibration.uniform(["dog", "rain"], threshold=0.3).thresholds
    {'dog': 0.3, 'rain': 0.3}
    """

    thresholds: Mapping[str, float]
    options: TagOptions = field(default_factory=TagOptions)
    model: str = ""
    fingerprint: str = ""

    @classmethod
    def of_model(
        cls, thresholds: Mapping[str, float], options: TagOptions, clap: CLAP
    ) -> Calibration:
        """Thresholds that were learned with a model.

        Arguments
        ---------
        thresholds : mapping of str to float
            Cosines, by label.
        options : TagOptions
            How the recordings were listened to.
        clap : CLAP
            The model.

        Returns
        -------
        Calibration
        """
        return cls(thresholds, options, clap.description, fingerprint(clap))

    @classmethod
    def uniform(
        cls,
        labels: Sequence[str],
        options: TagOptions | None = None,
        threshold: float = DEFAULT_THRESHOLD,
    ) -> Calibration:
        """One threshold for all labels, where nothing is known of them.

        Arguments
        ---------
        labels : sequence of str
            Labels.
        options : TagOptions, optional
            How to listen.
        threshold : float
            Cosine.

        Returns
        -------
        Calibration
        """
        return cls(dict.fromkeys(labels, threshold), options or TagOptions())

    @classmethod
    def read(cls, path: str | Path) -> Calibration:
        """Reads what :meth:`write` wrote.

        Arguments
        ---------
        path : str or Path
            JSON file.

        Returns
        -------
        Calibration

        Raises
        ------
        ValueError
            If it is no calibration.
        """
        try:
            values = json.loads(read_text(path))
            thresholds = {k: float(v) for k, v in values["thresholds"].items()}
            options = TagOptions(**values["options"])
            return cls(thresholds, options, values["model"], values["fingerprint"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{path} is no calibration; `clap-sb calibrate` writes one ({error})"
            ) from error

    def write(self, path: str | Path) -> None:
        """Writes it as JSON.

        Arguments
        ---------
        path : str or Path
            File.
        """
        write_whole(path, json.dumps(asdict(self), indent=1))

    def check(self, clap: CLAP, options: TagOptions) -> None:
        """Makes sure that the thresholds hold for a model and a way to listen.

        A guess, which no model was asked for, holds for all.

        Arguments
        ---------
        clap : CLAP
            The model.
        options : TagOptions
            How it listens.

        Raises
        ------
        ValueError
            If another model was calibrated, or one that listened otherwise.
        """
        if not self.fingerprint:
            return
        if self.fingerprint != fingerprint(clap):
            raise ValueError(
                f"the calibration is of another model ({self.model}) than this one "
                f"({clap.description}), whose cosines differ: calibrate this one"
            )
        calibrated, wanted = self.options.listening, options.listening
        if wanted["frames"] != calibrated["frames"]:
            other = ["frames"]
        else:
            other = [name for name in wanted if wanted[name] != calibrated[name]]
        if other:
            now = ", ".join(f"{name} {wanted[name]}" for name in other)
            then = ", ".join(f"{name} {calibrated[name]}" for name in other)
            raise ValueError(
                f"the calibration holds for {then}, not for {now}: leave that out, or "
                "calibrate with it"
            )

    def of(self, labels: Sequence[str]) -> torch.Tensor:
        """The thresholds of some labels.

        Arguments
        ---------
        labels : sequence of str
            Labels.

        Returns
        -------
        torch.Tensor
            ``[labels]``.

        Raises
        ------
        ValueError
            If one was not calibrated.
        """
        missing = [label for label in labels if label not in self.thresholds]
        if missing:
            raise ValueError(
                f"the calibration knows no {', '.join(map(repr, missing))}: calibrate "
                "with the labels that are to be found"
            )
        return torch.tensor([self.thresholds[label] for label in labels])


def best_threshold(similarity: torch.Tensor, is_label: torch.Tensor) -> float:
    """The threshold with the highest F1 score.

    Arguments
    ---------
    similarity : torch.Tensor
        Cosines with a label, ``[pieces]``.
    is_label : torch.Tensor
        Which pieces have the label, ``[pieces]``, bool; some do.

    Returns
    -------
    float
        In the middle between two cosines that occur.

    Example
    -------
    >>> similarity = torch.tensor([0.1, 0.2, 0.6, 0.8])
    >>> round(best_threshold(similarity, similarity > 0.5), 3)
    0.4
    """
    ordered, order = similarity.double().sort(descending=True)
    hits = is_label[order].double().cumsum(0)
    taken = torch.arange(1, len(ordered) + 1, dtype=torch.float64)
    f1 = 2 * hits / (taken + is_label.sum())
    # equal cosines are taken together
    whole = torch.cat([ordered[1:] < ordered[:-1], torch.tensor([True])])
    best = int(torch.where(whole, f1, -1.0).argmax())
    below = ordered[min(best + 1, len(ordered) - 1)]
    return ((ordered[best] + below) / 2).item()


def read_annotations(path: str | Path) -> dict[Path, list[Segment]]:
    """Reads which labels sound when, in some recordings.

    Arguments
    ---------
    path : str or Path
        CSV with the columns ``file,start,end,label``: a path (relative to the CSV),
        seconds, and a label. A file without any label has one row with the other
        columns empty. What is not annotated is none of the labels.

    Returns
    -------
    dict of Path to list of Segment

    Raises
    ------
    ValueError
        If a column or a value is missing, a time is no number of seconds from 0 on, or
        a segment ends before it begins, or after its file; the line is named.
    """
    found: dict[Path, list[Segment]] = {}
    by_file = rows_by_file(path, _COLUMNS, key="file")
    for file, rows in by_file.items():
        kept = [row for row in rows if any(map(row.said, _COLUMNS[1:]))]
        found[file] = [_segment(row) for row in kept]
        try:
            duration = probe_to_end(file).duration if kept else 0.0
        except AudioError:
            continue  # told when it is listened to
        for row, segment in zip(kept, found[file], strict=True):
            segment.check_within(duration, row.where)
    if not found:
        raise ValueError(f"{path} annotates no file")
    return found


def _segment(row: Row) -> Segment:
    """What a row annotates."""
    label = row.said("label")
    if not label:
        raise ValueError(
            f"{row.where} has times, but no label; the row of a file without any label "
            "has no times"
        )
    start, end = row.seconds("start"), row.seconds("end")
    if not start < end:
        raise ValueError(
            f"{row.where}: it ends at {end:g} s, and begins at {start:g} s"
        )
    return Segment(label, start, end)
