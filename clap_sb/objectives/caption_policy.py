"""What becomes of the captions of a clip that has several."""

from __future__ import annotations

from torch import nn

from clap_sb.objectives.info_nce import InfoNCE
from clap_sb.objectives.multi_positive import MultiPositive

_OBJECTIVES = {"random": InfoNCE, "all": MultiPositive}


def objective_for(caption_policy: str) -> nn.Module:
    """The objective that suits a caption policy.

    Arguments
    ---------
    caption_policy : str
        ``random``: one caption of each clip, drawn anew each epoch, and
        :class:`~clap_sb.objectives.info_nce.InfoNCE`; ``all``: every caption is a
        positive of its clip, and
        :class:`~clap_sb.objectives.multi_positive.MultiPositive`.

    Returns
    -------
    nn.Module

    Raises
    ------
    ValueError
        If there is no such policy.

    Example
    -------
    >>> objective_for("all")
    MultiPositive()
    """
    if caption_policy not in _OBJECTIVES:
        raise ValueError(
            f"there is no caption_policy {caption_policy!r}: choose one of "
            f"{', '.join(_OBJECTIVES)}"
        )
    return _OBJECTIVES[caption_policy]()
