"""The card that goes with an export: what it is, where it is from, how to use it."""

from __future__ import annotations

from collections.abc import Mapping

from clap_sb.checkpoints.architecture import Architecture

# who made the weights, and under what licence (docs/checkpoints.md has the details)
_TERMS = {
    "LAION-CLAP": ("arXiv 2211.06687", "CC0-1.0"),
    "transformers ClapModel": ("arXiv 2211.06687", "Apache-2.0"),
    "MS-CLAP": ("arXiv 2206.04769 and 2309.05767", "MS-PL"),
    "clapcap": ("arXiv 2309.05767", "MS-PL"),
    "WavCaps": ("arXiv 2303.17395", "academic use only"),
    "PANNs": ("arXiv 1912.10211", "see its authors' page"),
    "HTSAT AudioSet": ("arXiv 2202.00874", "see its authors' page"),
}
_CONVERTED = (
    "Converted by clap_sb from a checkpoint of another program; the weights are its "
    "authors'.\nThe terms below are those of the weights they published: a file of "
    "your own has yours.\n"
)
_TRAINED = (
    "Trained with clap_sb. Its terms are those of its training data, and of what its "
    "towers\nstarted from.\n"
)
_UNVERIFIED = (
    "The layout of this family's files is taken from its published source; no file of "
    "it was at hand to compare with.\n"
)


def model_card(
    architecture: Architecture, facts: Mapping[str, str] | None = None
) -> str:
    """Writes the card of an exported model.

    Arguments
    ---------
    architecture : Architecture
        What the model is made of.
    facts : mapping, optional
        More rows, by their names.

    Returns
    -------
    str
        Markdown.
    """
    rows = [
        ("family", architecture.family),
        ("towers", architecture.description),
        ("joint dimension", architecture.joint_dim),
        ("sample rate", f"{architecture.sample_rate} Hz"),
        ("window", f"{architecture.seconds:g} s"),
        *(facts or {}).items(),
        *(("started from the weights of", told) for told in architecture.weights_of),
    ]
    strange, trust = architecture.strange_names, ""
    if strange:
        rows.append(("classes of its own", ", ".join(strange)))
        trust = ", trust=True"
    origin = _TRAINED
    if architecture.family in _TERMS:
        origin = _CONVERTED
        paper, licence = _TERMS[architecture.family]
        rows += [("paper", paper), ("terms of the published weights", licence)]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return f"""# {architecture.family}: {architecture.description}

{origin}
| | |
|---|---|
{table}

{"" if architecture.verified else _UNVERIFIED}
```python
from clap_sb.inference import CLAP

clap = CLAP.from_hparams("this/folder"{trust})
audio = clap.embed_files(["dog.wav"])
```
"""
