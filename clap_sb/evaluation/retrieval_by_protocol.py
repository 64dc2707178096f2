"""A test by retrieval, by one protocol or several, with all that is reported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from clap_sb.data.listing import Listing
from clap_sb.data.manifest import Clip, read_manifest
from clap_sb.evaluation.by_protocol import Evaluation, compare_protocols, suffix_of
from clap_sb.evaluation.embedding import Embedded
from clap_sb.evaluation.protocols import Protocol
from clap_sb.evaluation.query_bank import QueryBank
from clap_sb.evaluation.ranked_matrix import rank_matrix
from clap_sb.evaluation.rescoring import described, rescore
from clap_sb.evaluation.retrieval import Retrieval, retrieval
from clap_sb.evaluation.retrieval_report import Origin, report_retrieval
from clap_sb.evaluation.similarity import similarity


def retrieve_split(
    evaluation: Evaluation, prepare: Callable[..., dict[str, Path]], data_folder: Path
) -> str:
    """Prepares the split that was asked for, and tests by retrieval.

    Arguments
    ---------
    evaluation : Evaluation
        The checkpoint and the settings.
    prepare : callable
        The recipe's preparation.
    data_folder : Path
        Where the data set lies.

    Returns
    -------
    str
        What to print.
    """
    split = evaluation.values["split"]
    manifests = prepare(
        data_folder=data_folder,
        save_folder=evaluation.folder / "manifests",
        splits=[split, *(["train"] if evaluation.values["rescoring"] else [])],
        skip_prep=evaluation.values["skip_prep"],
    )
    clips = {name: read_manifest(path) for name, path in manifests.items()}
    listing = Listing.read(manifests[split])
    return retrieve(evaluation, clips[split], split, clips.get("train"), listing)


def retrieve(
    evaluation: Evaluation,
    clips: Sequence[Clip],
    split: str,
    training: Sequence[Clip] | None = None,
    listing: Listing | None = None,
) -> str:
    """Finds clips by captions and captions by clips, and writes the reports.

    Arguments
    ---------
    evaluation : Evaluation
        The checkpoint and the settings.
    clips : sequence of Clip
        Clips; those without a caption are left out, and counted.
    split : str
        What they are, in words.
    training : sequence of Clip, optional
        Where the bank for ``rescoring`` is drawn from.
    listing : Listing, optional
        What the data set's list has, where that is known.

    Returns
    -------
    str
        What to print.

    Raises
    ------
    ValueError
        If ``rescoring`` is asked for without training clips, or none is left of them.
    """
    origin = evaluation.origin(split, listing)
    bank = _bank(evaluation, clips, training)
    told, rows = [] if bank is None else [bank.describe()], []
    for protocol in evaluation.protocols:
        pool, left_out = protocol.caption_pool(clips)
        embedded = evaluation.embed(pool, protocol, with_captions=True)
        notes = evaluation.notes(protocol, len(embedded.clips), split)
        if left_out:
            notes += (f"{left_out} clips without a caption are left out",)
        if bank is not None:
            notes += (bank.describe(),)
        found = _ranks(evaluation, protocol, embedded, bank)
        text, row = _report(evaluation, protocol, embedded, found, origin, notes)
        told.append(text)
        rows.append(row)
    if len(rows) > 1:
        told.append(compare_protocols(evaluation, origin, rows))
    return "\n\n".join(told)


def _bank(
    evaluation: Evaluation, test: Sequence[Clip], training: Sequence[Clip] | None
) -> QueryBank | None:
    values = evaluation.values
    if not values["rescoring"]:
        return None
    described(values["rescoring"], values["rescoring_numbers"])
    if not training:
        raise ValueError("rescoring needs training clips to draw its bank from")
    return QueryBank.draw(training, test, values["bank_clips"], values["seed"])


def _ranks(
    evaluation: Evaluation,
    protocol: Protocol,
    embedded: Embedded,
    bank: QueryBank | None,
) -> Retrieval:
    """Ranks by similarity, or by what rescoring makes of it in each direction."""
    if bank is None:
        return retrieval(embedded.audio, embedded.text, embedded.caption_clip)
    other = evaluation.embed(bank.clips, protocol, with_captions=True)
    method = evaluation.values["rescoring"]
    numbers = evaluation.values["rescoring_numbers"]
    by_text = similarity(embedded.text, embedded.audio)
    return rank_matrix(
        rescore(by_text, similarity(other.text, embedded.audio), method, **numbers),
        embedded.caption_clip,
        rescore(by_text.T, similarity(other.audio, embedded.text), method, **numbers),
    )


def _report(
    evaluation: Evaluation,
    protocol: Protocol,
    embedded: Embedded,
    found: Retrieval,
    origin: Origin,
    notes: tuple[str, ...],
) -> tuple[str, dict[str, object]]:
    values = evaluation.values
    rescoring = values["rescoring"]
    card = {
        "protocol": evaluation.name_of(protocol, "rescoring"),
        "rescoring": rescoring and described(rescoring, values["rescoring_numbers"]),
        "notes": notes,
    }
    folder = evaluation.folder
    summary, path = report_retrieval(
        folder,
        embedded,
        found,
        origin,
        sort_ranks=protocol.sort_ranks,
        suffix=suffix_of(protocol),
        **card,
    )
    scores = found.scores(protocol.sort_ranks)
    row = {
        "protocol": card["protocol"],
        "clips": scores["num_clips"],
        "captions": scores["num_captions"],
        "crop_rule": embedded.crop_rule,
    }
    for way in ("t2a", "a2t"):
        for name in ("recall_at_1", "recall_at_10", "map_at_10"):
            row[f"{way}_{name}"] = scores[f"{way}_{name}"]
    return f"{summary}\n  report             {path} (and .json)", row
