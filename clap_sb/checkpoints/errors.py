"""What goes wrong with checkpoints."""

from __future__ import annotations


class CheckpointError(ValueError):
    """A checkpoint that cannot be found, cannot be read or does not fit.

    Example
    -------
    >>> raise CheckpointError("model.pt: the file is empty")
    Traceback (most recent call last):
    ...
    clap_sb.checkpoints.errors.CheckpointError: model.pt: the file is empty
    """
