"""Whether a text tower tells sentences apart: there are published ones that do not.

Of some exports of ``larger_clap_music`` users report cosines of 0.999 between all
texts; whatever is asked, the answer is the same then. A few sentences that have nothing
in common show it. The least cosine between them is 0.40 in the demo's model, 0.95 and
0.988 in a small tower of amplified random weights (of the tests; the latter knows few
of the words), and 0.999 in a ``ClapModel`` with the random weights that it begins with.
"""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from clap_sb.encoders.no_text_tower import NoTextTower
from clap_sb.encoders.text_tower import lacks_tokenizer
from clap_sb.model import CLAP

logger = logging.getLogger(__name__)

SENTENCES = ("a dog barks", "rain falls on a roof", "a man speaks", "a violin plays")
# of the two sentences that have the least in common
ALIKE = 0.995


@torch.no_grad()
def least_cosine(clap: CLAP) -> float | None:
    """The least cosine between the embeddings of some unlike sentences.

    Arguments
    ---------
    clap : clap_sb.model.CLAP
        In eval mode.

    Returns
    -------
    float or None
        None without a text tower, or without its tokenizer.
    """
    tower = clap.text_encoder
    if isinstance(tower, NoTextTower) or lacks_tokenizer(tower):
        return None
    text = clap.encode_text(list(SENTENCES))
    return (text @ text.T).min().item()


def are_alike(cosine: float | None) -> bool:
    """Whether a text tower with that least cosine tells nothing apart.

    Arguments
    ---------
    cosine : float or None
        From :func:`least_cosine`.

    Returns
    -------
    bool
        True for what is not a number, too.

    Example
    -------
    >>> are_alike(0.24), are_alike(0.999), are_alike(None), are_alike(float("nan"))
    (False, True, False, True)
    """
    return cosine is not None and not cosine < ALIKE


def warn_of_alike_texts(clap: CLAP, source: str | Path) -> None:
    """Logs a warning if a text tower tells nothing apart.

    Arguments
    ---------
    clap : clap_sb.model.CLAP
        In eval mode.
    source : str or Path
        Where it was loaded from.
    """
    cosine = least_cosine(clap)
    if are_alike(cosine):
        logger.warning("%s: %s", source, sentence(cosine))


def sentence(cosine: float) -> str:
    """What is to be said of a text tower that tells nothing apart.

    Arguments
    ---------
    cosine : float
        From :func:`least_cosine`.

    Returns
    -------
    str
    """
    return (
        f"the text tower tells sentences hardly apart ({len(SENTENCES)} that have "
        f"nothing in common have cosines of {cosine:.3f} and more): it is untrained or "
        "collapsed, and what is found by text means little"
    )
