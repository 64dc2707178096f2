"""Writes everything that a retrieval test leaves behind, and tells it in short."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clap_sb.data.listing import Listing
from clap_sb.data.printable import printable
from clap_sb.evaluation.card import ProtocolCard
from clap_sb.evaluation.embedding import Embedded
from clap_sb.evaluation.plots import plot_similarity_matrix
from clap_sb.evaluation.report import write_results
from clap_sb.evaluation.retrieval import Retrieval

_IDS_SHOWN = 10


@dataclass(frozen=True)
class Origin:
    """Where the numbers of a report come from.

    Arguments
    ---------
    system : str
        Name of the system.
    dataset : str
        Name of the data set.
    split : str
        Split.
    checkpoint : str
        Where the weights are from.
    selection : str
        How the checkpoint was chosen.
    text_tower_origin : str
        What the text tower started from.
    seed : int
        Seed of training and of the bootstrap.
    num_resamples : int
        Resamples of the bootstrap.
    listing : Listing, optional
        What the data set's list has, where it is known.
    """

    system: str
    dataset: str
    split: str
    checkpoint: str
    selection: str
    text_tower_origin: str
    seed: int
    num_resamples: int = 1000
    listing: Listing | None = None

    def card(
        self, embedded: Embedded, notes: tuple[str, ...] = (), **more: object
    ) -> ProtocolCard:
        """The protocol card of a report.

        Arguments
        ---------
        embedded : Embedded
            What was scored.
        notes : tuple of str
            What a reader must know besides.
        **more : object
            Further fields of the card.

        Returns
        -------
        ProtocolCard
        """
        if embedded.silent:
            count = len(embedded.silent)
            notes = (*notes, f"{count} clips are digital silence; kept")
        if embedded.unreadable:
            notes = (*notes, _unreadable(list(embedded.unreadable)))
        return ProtocolCard(
            dataset=self.dataset,
            split=self.split,
            num_clips=len(embedded.clips),
            crop_rule=embedded.crop_rule,
            checkpoint=self.checkpoint,
            selection=self.selection,
            seed=self.seed,
            text_tower_origin=self.text_tower_origin,
            num_listed=self.listing and self.listing.num_listed,
            num_missing=self.listing and self.listing.num_missing,
            num_unreadable=len(embedded.unreadable),
            notes=notes,
            **more,
        )


def _unreadable(ids: Sequence[str]) -> str:
    """How many clips are left out, and which: all of a few, the first of many."""
    more = len(ids) - _IDS_SHOWN
    named = ", ".join(map(printable, ids[:_IDS_SHOWN]))
    if more > 0:
        named += f" and {more} more"
    return f"{len(ids)} clips could not be used and are left out: {named}"


@dataclass(frozen=True)
class AttributeScores:
    """Scores of the attribute pairs, where a set has them.

    Arguments
    ---------
    scores : mapping
        As :func:`~clap_sb.evaluation.attribute_pairs.attribute_pairs` gives them.
    intervals : mapping
        Interval of ``attribute_accuracy``.
    """

    scores: Mapping[str, object] = field(default_factory=dict)
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def report_retrieval(
    folder: str | Path,
    embedded: Embedded,
    retrieval: Retrieval,
    origin: Origin,
    attributes: AttributeScores | None = None,
    sort_ranks: bool = True,
    suffix: str = "",
    **card: Any,
) -> tuple[str, Path]:
    """Writes ``results/retrieval.{json,md}`` and the similarity matrix.

    Arguments
    ---------
    folder : str or Path
        The output folder.
    embedded : Embedded
        Clips and captions.
    retrieval : Retrieval
        Their ranks.
    origin : Origin
        Where the numbers come from.
    attributes : AttributeScores, optional
        Scores of attribute pairs.
    sort_ranks : bool
        See :meth:`clap_sb.evaluation.retrieval.Retrieval.scores`.
    suffix : str
        What the files' names end with.
    **card : Any
        Further fields of the protocol card.

    Returns
    -------
    summary : str
        Some lines for the terminal.
    path : Path
        The Markdown file.
    """
    attributes = attributes or AttributeScores()
    folder = Path(folder)
    title = f"{origin.system} on {origin.dataset}, {origin.split}: retrieval"
    scores = {**retrieval.scores(sort_ranks), **attributes.scores}
    intervals = {
        **retrieval.intervals(origin.seed, origin.num_resamples, sort_ranks),
        **attributes.intervals,
    }
    examples = best_and_worst(embedded, retrieval)
    full_card = origin.card(
        embedded,
        num_captions=len(embedded.captions),
        captions_a_clip=_captions_a_clip(embedded),
        **card,
    )
    _, path = write_results(
        folder / "results",
        f"retrieval{suffix}",
        title,
        scores,
        intervals,
        full_card,
        examples,
    )
    plot_similarity_matrix(
        embedded.audio,
        embedded.text,
        embedded.caption_clip,
        embedded.captions,
        folder / f"similarity{suffix}.png",
        title,
    )
    return _summary(title, scores, intervals, examples), path


def _captions_a_clip(embedded: Embedded) -> str:
    counts = embedded.caption_clip.bincount()
    low, high = int(counts.min()), int(counts.max())
    number = str(low) if low == high else f"{low} to {high}"
    return f"{number}; each caption is a query, a clip counts by its best caption"


def _summary(
    title: str,
    scores: Mapping[str, object],
    intervals: Mapping[str, tuple[float, float]],
    examples: Mapping[str, list[dict[str, object]]],
) -> str:
    lines = [title]
    clips, captions = scores["num_clips"], scores["num_captions"]
    lines.append(
        f"  {clips} clips, {captions} captions; chance R@1 {100 / clips:.1f} %"
    )
    for name, (low, high) in intervals.items():
        lines.append(f"  {name:<18} {scores[name]:6.2f} %   [{low:.2f}, {high:.2f}]")
    for heading, rows in examples.items():
        lines.append(f"  {heading}")
        for row in rows:
            lines.append(
                f"    rank {row['rank']:>3}  {row['caption']!r}"
                f"  ->  {row['first answer']!r}"
            )
    return "\n".join(lines)


def best_and_worst(
    embedded: Embedded, retrieval: Retrieval, count: int = 3
) -> dict[str, list[dict[str, object]]]:
    """Picks captions whose clip was found first and most clearly, and last.

    Arguments
    ---------
    embedded : Embedded
        Clips and captions.
    retrieval : Retrieval
        Their ranks.
    count : int
        How many of each.

    Returns
    -------
    dict
        Two tables, with the caption, the rank of its clip (from 1), the similarity,
        and the clip that came first with a caption of it.
    """
    similarity = (embedded.text * embedded.audio[embedded.caption_clip]).sum(1)
    ranks = retrieval.text_to_audio_ranks
    order = sorted(
        range(len(ranks)), key=lambda i: (int(ranks[i]), -float(similarity[i]))
    )
    first_caption = {
        int(clip): embedded.captions[i]
        for i, clip in reversed(list(enumerate(embedded.caption_clip)))
    }

    def row(index: int) -> dict[str, object]:
        found = int((embedded.audio @ embedded.text[index]).argmax())
        return {
            "caption": embedded.captions[index],
            "rank": int(ranks[index]) + 1,
            "similarity": round(float(similarity[index]), 3),
            "first answer": f"{embedded.clips[found].id}: {first_caption[found]}",
        }

    return {
        "Best retrieved captions": [row(index) for index in order[:count]],
        "Worst retrieved captions": [row(index) for index in order[-count:][::-1]],
    }
