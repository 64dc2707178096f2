"""The card that goes with an export: what it is, where it is from, how to use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from clap_sb.checkpoints.architecture import Architecture
from clap_sb.checkpoints.run_scores import Score


@dataclass(frozen=True)
class _Terms:
    """Who made the weights, and under what licence; the hub has a word for some."""

    paper: str
    licence: str
    on_hub: str = "other"


# docs/checkpoints.md has the details
_TERMS = {
    "LAION-CLAP": _Terms("arXiv 2211.06687", "CC0-1.0", "cc0-1.0"),
    "transformers ClapModel": _Terms("arXiv 2211.06687", "Apache-2.0", "apache-2.0"),
    "MS-CLAP": _Terms("arXiv 2206.04769 and 2309.05767", "MS-PL", "ms-pl"),
    "clapcap": _Terms("arXiv 2309.05767", "MS-PL", "ms-pl"),
    "WavCaps": _Terms("arXiv 2303.17395", "academic use only"),
    "PANNs": _Terms("arXiv 1912.10211", "see its authors' page"),
    "HTSAT AudioSet": _Terms("arXiv 2202.00874", "see its authors' page"),
}
_CONVERTED = (
    "Converted by clap_sb from a checkpoint of another program; the weights are its "
    "authors'.\nThe terms below are those of the weights they published: a file of "
    "your own has yours.\n"
)
_TRAINED = "Trained with clap_sb.\n"
_UNVERIFIED = (
    "The layout of this family's files is taken from its published source; no file of "
    "it was at hand to compare with.\n"
)
_JOINT_USE = (
    "Embeds sounds and sentences in one space: to find sounds by words and by other "
    "sounds, to\nclassify and tag with labels of one's own without training, and as "
    "features for other models."
)
_TOWER_USE = "Embeds sounds: as features for other models. It takes no words."
_JOINT_LIMITS = """\
- A cosine is no probability. How high one has to be differs from label to label: learn
  thresholds from a few recordings (`clap-sb calibrate`).
- What is near to none of its training captions gets whatever is nearest. Counts, order
  in time, negation and what is said in words are not reliably told apart.
"""
_LIMITS = """\
- It hears windows of {seconds:g} s at {rate} Hz; of longer sounds, the mean.
- Not for decisions about persons, or where a sound that is missed does harm.
"""
_SYNTHETIC = (
    "- It was trained on synthesised sounds: its scores say nothing about real audio.\n"
)
_DIGITS = {"cosine": 3}  # of scores that are no percentages
_RECALL = (
    "Recall, mAP and accuracy are in percent; intervals are 95 %, by bootstrap over "
    "clips."
)


def model_card(
    architecture: Architecture,
    facts: Mapping[str, str] | None = None,
    scores: Sequence[Score] = (),
    library: Literal["speechbrain", "transformers"] = "speechbrain",
) -> str:
    """Writes the card of an exported model.

    Arguments
    ---------
    architecture : Architecture
        What the model is made of.
    facts : mapping, optional
        More rows, by their names.
    scores : sequence of Score
        What it reached in the tests of its run.
    library : str
        Whose folder it is.

    Returns
    -------
    str
        Markdown, with what the hub reads of it in front, in YAML.
    """
    terms = _TERMS.get(architecture.family)
    sections = [
        _front_matter(architecture, terms, library),
        f"# {architecture.family}: {architecture.description}",
        _TRAINED if terms is None else _CONVERTED,
        _table(architecture, facts or {}, terms),
        "" if architecture.verified else _UNVERIFIED,
        _usage(architecture, library),
        _JOINT_USE if architecture.text is not None else _TOWER_USE,
        "## Limits\n\n" + _limits(architecture, facts or {}),
        _score_table(scores),
        "## Licence\n\n" + _licence(architecture, terms),
    ]
    return "\n\n".join(part.strip("\n") for part in sections if part) + "\n"


def _front_matter(
    architecture: Architecture, terms: _Terms | None, library: str
) -> str:
    licence = "other" if terms is None else terms.on_hub
    lines = [f"license: {licence}"]
    if licence == "other":  # the hub wants a name for it
        lines.append("license_name: see-the-section-on-the-licence")
    tags = ["audio", "clap"]
    if architecture.text is not None:
        tags += ["audio-text-retrieval", "zero-shot-audio-classification"]
    lines += [
        f"library_name: {library}",
        "pipeline_tag: feature-extraction",  # zero-shot audio is no task of the hub's
        "tags:",
        *(f"- {tag}" for tag in tags),
    ]
    return "\n".join(["---", *lines, "---"])


def _table(
    architecture: Architecture, facts: Mapping[str, str], terms: _Terms | None
) -> str:
    rows = [
        ("family", architecture.family),
        ("towers", architecture.description),
        ("joint dimension", architecture.joint_dim),
        ("sample rate", f"{architecture.sample_rate} Hz"),
        ("window", f"{architecture.seconds:g} s"),
        *facts.items(),
        *(("started from the weights of", told) for told in architecture.weights_of),
    ]
    if architecture.strange_names:
        rows.append(("classes of its own", ", ".join(architecture.strange_names)))
    if terms is not None:
        rows.append(("paper", terms.paper))
        rows.append(("terms of the published weights", terms.licence))
    return "\n".join(["| | |", "|---|---|", *(f"| {n} | {v} |" for n, v in rows)])


def _usage(architecture: Architecture, library: str) -> str:
    trust = ", trust=True" if architecture.strange_names else ""
    load = "from_hparams" if library == "speechbrain" else "from_checkpoint"
    lines = [
        "from clap_sb.inference import CLAP",
        "",
        f'clap = CLAP.{load}("this/folder"{trust})',
        'audio = clap.embed_files(["dog.wav"])',
    ]
    if architecture.text is not None:
        lines.append('clap.similarity(audio, clap.encode_text(["a dog barks"]))')
    return "\n".join(["## Use", "", "```python", *lines, "```"])


def _limits(architecture: Architecture, facts: Mapping[str, str]) -> str:
    told = _JOINT_LIMITS if architecture.text is not None else ""
    if "(synthetic)" in facts.get("trained on", ""):
        told = _SYNTHETIC + told
    window = {"seconds": architecture.seconds, "rate": architecture.sample_rate}
    return told + _LIMITS.format(**window)


def _score_table(scores: Sequence[Score]) -> str:
    if not scores:
        return ""
    rows = []
    for s in scores:
        value, low, high = (
            f"{number:.{_DIGITS.get(s.name, 1)}f}"
            for number in (s.value, s.low, s.high)
        )
        rows.append(
            f"| {s.test} | `{s.name}` | {value} | [{low}, {high}] | {s.clips} |"
        )
    head = ["| test | score | | interval | clips |", "|---|---|---|---|---|"]
    return "\n".join(["## Scores", "", *head, *rows, "", _RECALL])


def _licence(architecture: Architecture, terms: _Terms | None) -> str:
    if terms is not None:
        return f"{terms.licence}, of the weights as they were published."
    lines = [
        "That of its training data, and of what its towers started from, is for "
        "whoever hands it on\nto look up and to name here."
    ]
    lines += [f"- {told}" for told in architecture.weights_of]
    return "\n\n".join(lines)
