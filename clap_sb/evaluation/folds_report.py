"""Writes what a cross-validation over a set's own folds gave: mean and deviation."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from clap_sb.data.listing import Listing
from clap_sb.evaluation.bootstrap import bootstrap_interval
from clap_sb.evaluation.embedding import Embedded
from clap_sb.evaluation.plots import plot_confusion
from clap_sb.evaluation.report import write_results
from clap_sb.evaluation.retrieval_report import Origin
from clap_sb.evaluation.zero_shot import ZeroShot, confusion

LABEL_TEXT = "the data set's names, underscores turned to spaces"
"""What is put in the place of ``{label}``."""


@dataclass(frozen=True, eq=False)
class FoldedClasses:
    """The class that each clip was given while its fold was held out.

    Arguments
    ---------
    labels : tuple of str
        The classes.
    targets : torch.Tensor
        Right class of each clip ``[num_clips]``.
    predictions : torch.Tensor
        Class given to each clip ``[num_clips]``.
    folds : torch.Tensor
        Fold of each clip ``[num_clips]``.

    Example
    -------
    >>> right, given = torch.tensor([0, 1, 0, 1]), torch.tensor([0, 1, 0, 0])
    >>> classes = FoldedClasses(("a", "b"), right, given, torch.tensor([1, 1, 2, 2]))
    >>> classes.accuracies, classes.mean, round(classes.deviation, 1)
    ({1: 100.0, 2: 50.0}, 75.0, 35.4)
    """

    labels: tuple[str, ...]
    targets: Tensor
    predictions: Tensor
    folds: Tensor

    @property
    def right(self) -> Tensor:
        """Whether each clip was given its class."""
        return self.predictions == self.targets

    @property
    def accuracies(self) -> dict[int, float]:
        """Accuracy on each fold, in percent."""
        return {
            fold: 100 * self.right[self.folds == fold].double().mean().item()
            for fold in self.folds.unique().tolist()
        }

    @property
    def mean(self) -> float:
        """Mean of the folds' accuracies, in percent."""
        return statistics.mean(self.accuracies.values())

    @property
    def deviation(self) -> float:
        """Sample standard deviation of the folds' accuracies, in percent."""
        return statistics.stdev(self.accuracies.values())

    @property
    def confusion(self) -> Tensor:
        """Clips by right class (rows) and given class: ``[num_classes] * 2``."""
        return confusion(self.targets, self.predictions, len(self.labels))


@dataclass(frozen=True)
class HeldOutFold:
    """A held-out fold, classified by a model that was trained on the others.

    Arguments
    ---------
    embedded : Embedded
        Its clips.
    outcome : ZeroShot
        The classes they were given.
    origin : Origin
        Where the model comes from.
    """

    embedded: Embedded
    outcome: ZeroShot
    origin: Origin


def report_folds(
    folder: str | Path,
    method: str,
    classes: FoldedClasses,
    embedded: Embedded,
    origin: Origin,
    **card: object,
) -> str:
    """Writes ``results/folds.{json,md}`` and the confusion matrix of all folds.

    Arguments
    ---------
    folder : str or Path
        The output folder.
    method : str
        How the clips were classified, in words.
    classes : FoldedClasses
        The classes given, over two folds or more.
    embedded : Embedded
        What was classified.
    origin : Origin
        Where the numbers come from.
    **card : object
        Further fields of the protocol card.

    Returns
    -------
    str
        Some lines for the terminal.
    """
    folder = Path(folder)
    title = f"{origin.system} on {origin.dataset}, {origin.split}: {method}"
    right = classes.right.double()
    low, high = bootstrap_interval(
        right, torch.ones(len(right)), origin.seed, origin.num_resamples
    )
    accuracies = {str(fold): value for fold, value in classes.accuracies.items()}
    scores = {
        "mean_accuracy": classes.mean,
        "deviation": classes.deviation,
        "accuracy": 100 * right.mean().item(),
        "num_clips": len(right),
        "num_classes": len(classes.labels),
        "num_folds": len(accuracies),
        "fold_accuracies": accuracies,
    }
    intervals = {"accuracy": (100 * low, 100 * high)}
    _, path = write_results(
        folder / "results",
        "folds",
        title,
        scores,
        intervals,
        origin.card(embedded, **card),
    )
    plot_confusion(classes.confusion, classes.labels, folder / "confusion.png", title)
    lines = [title, f"  {len(right)} clips, {len(classes.labels)} classes"]
    lines += [f"  fold {fold:<11} {value:6.2f} %" for fold, value in accuracies.items()]
    lines.append(f"  mean of folds    {classes.mean:6.2f} % +- {classes.deviation:.2f}")
    lines.append(f"  all clips        {scores['accuracy']:6.2f} %   [{100 * low:.2f}, ")
    lines[-1] += f"{100 * high:.2f}]"
    lines.append(f"  report           {path} (and .json)")
    return "\n".join(lines)


def report_trained_folds(
    folder: str | Path,
    tested: Mapping[int, HeldOutFold],
    prompt: str,
    listing: Listing | None = None,
) -> str:
    """Reports mean and deviation over folds that each a model of its own classified.

    Arguments
    ---------
    folder : str or Path
        The output folder.
    tested : mapping of int to HeldOutFold
        Two folds or more.
    prompt : str
        The template that they were classified by.
    listing : Listing, optional
        What the data set's list has, where that is known.

    Returns
    -------
    str
        Some lines for the terminal.
    """
    folds = list(tested.values())
    outcomes = [fold.outcome for fold in folds]
    classes = FoldedClasses(
        outcomes[0].labels,
        torch.cat([outcome.targets for outcome in outcomes]),
        torch.cat([outcome.predictions for outcome in outcomes]),
        torch.cat([outcome.folds for outcome in outcomes]),
    )
    origin = replace(
        folds[0].origin,
        split=f"{len(folds)} folds",
        listing=listing and listing.of_folds(tested),
        checkpoint=", ".join(f"fold_{fold}" for fold in tested),
        selection=f"of each fold: {folds[0].origin.selection}",
    )
    return report_folds(
        folder,
        "trained on the other folds, classified by prompt",
        classes,
        _together([fold.embedded for fold in folds]),
        origin,
        prompt=prompt,
        label_text=LABEL_TEXT,
    )


def _together(parts: Sequence[Embedded]) -> Embedded:
    """Several sets as one; captions are left out."""
    return Embedded(
        clips=list(itertools.chain(*(part.clips for part in parts))),
        audio=torch.cat([part.audio for part in parts]),
        unreadable={k: v for part in parts for k, v in part.unreadable.items()},
        silent=list(itertools.chain(*(part.silent for part in parts))),
        crop_rule=parts[0].crop_rule,
    )
