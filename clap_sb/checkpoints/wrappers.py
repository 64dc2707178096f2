"""Names as a model itself has them, whatever it was wrapped in when it was saved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from clap_sb.checkpoints.reading import Weights, read_weights

# what DDP and torch.compile put before names; and what a Lightning module, or a class
# of a user's own, does, whose attribute the model is
_WRAPPERS = ("module.", "_orig_mod.", "model.", "clap.", "net.")


def read_public(path: str | Path) -> Weights:
    """Reads a checkpoint of another program.

    Arguments
    ---------
    path : str or Path
        As :func:`~clap_sb.checkpoints.reading.read_weights` takes it.

    Returns
    -------
    Weights
        :func:`unwrapped`.

    Raises
    ------
    CheckpointError
        As :func:`~clap_sb.checkpoints.reading.read_weights` does.
    """
    return unwrapped(read_weights(path))


def unwrapped(weights: Weights) -> Weights:
    """Takes away what stands before all names, and what compiled parts are called.

    What some names begin with stays: ``clap.`` in clapcap, beside a captioner.

    Arguments
    ---------
    weights : Weights
        What a file of another program holds. In files of ours a prefix means something.

    Returns
    -------
    Weights

    Example
    -------
    >>> state = {"model._orig_mod.a": 0, "model._orig_mod.b._orig_mod.c": 0}
    >>> list(unwrapped(Weights(state, Path("x.ckpt"))).state)
    ['a', 'b.c']
    """
    state = dict(weights.state)
    while found := [w for w in _WRAPPERS if all(key.startswith(w) for key in state)]:
        state = {key.removeprefix(found[0]): value for key, value in state.items()}
    state = {key.replace("._orig_mod.", "."): value for key, value in state.items()}
    return replace(weights, state=state)
