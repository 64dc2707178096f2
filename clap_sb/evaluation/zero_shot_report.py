"""Writes everything that a zero-shot test leaves behind, and tells it in short."""

from __future__ import annotations

from pathlib import Path

from clap_sb.evaluation.embedding import Embedded
from clap_sb.evaluation.plots import plot_confusion
from clap_sb.evaluation.report import write_results
from clap_sb.evaluation.retrieval_report import Origin
from clap_sb.evaluation.zero_shot import ZeroShot


def report_zero_shot(
    folder: str | Path,
    embedded: Embedded,
    outcome: ZeroShot,
    origin: Origin,
    prompt: str,
) -> str:
    """Writes ``results/zero_shot.{json,md}`` and the confusion matrix.

    Arguments
    ---------
    folder : str or Path
        The output folder.
    embedded : Embedded
        What was classified.
    outcome : ZeroShot
        The classes given.
    origin : Origin
        Where the numbers come from.
    prompt : str
        Template that labels were put into.

    Returns
    -------
    str
        Some lines for the terminal.
    """
    folder = Path(folder)
    title = f"{origin.system} on {origin.dataset}, {origin.split}: zero-shot"
    scores = {**outcome.scores(), "prompt": prompt}
    intervals = outcome.intervals(origin.seed, origin.num_resamples)
    card = origin.card(
        embedded,
        prompt=prompt,
        label_text="the data set's names, underscores turned to spaces",
    )
    tables = {"Classes": outcome.per_class()}
    _, path = write_results(
        folder / "results", "zero_shot", title, scores, intervals, card, tables
    )
    plot_confusion(outcome.confusion, outcome.labels, folder / "confusion.png", title)
    lines = [
        title,
        f"  {scores['num_clips']} clips, {scores['num_classes']} classes; "
        f"chance {100 / scores['num_classes']:.1f} %; prompt {prompt!r}",
    ]
    for name, (low, high) in intervals.items():
        lines.append(f"  {name:<16} {scores[name]:6.2f} %   [{low:.2f}, {high:.2f}]")
    for fold, accuracy in scores.get("fold_accuracies", {}).items():
        lines.append(f"  fold {fold:<11} {accuracy:6.2f} %")
    lines.append(f"  report           {path} (and .json)")
    lines.append(f"  confusion matrix {folder / 'confusion.png'}")
    return "\n".join(lines)
