"""Learning rate: linear warm-up, then half a cosine (as LAION-CLAP trains)."""

from __future__ import annotations

import math


def warmup_cosine(step: int, warmup_steps: int, total_steps: int) -> float:
    """Factor of every group's own learning rate, a function of the step alone.

    There is nothing to save: a resumed run knows its step.

    Arguments
    ---------
    step : int
        Optimizer steps taken so far.
    warmup_steps : int
        Steps of the rise; the first one has ``1 / warmup_steps``.
    total_steps : int
        Steps of the whole training.

    Returns
    -------
    float
        In (0, 1] during the rise, in [0, 1] after it.

    Example
    -------
    >>> [round(warmup_cosine(step, 2, 6), 3) for step in range(7)]
    [0.5, 1.0, 1.0, 0.854, 0.5, 0.146, 0.0]
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    done = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    return 0.5 * (1.0 + math.cos(math.pi * done))
