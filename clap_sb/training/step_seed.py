"""Seeds what is random in a training step."""

from __future__ import annotations

import os
import random

import numpy as np
import torch


def seed_step(seed: int) -> None:
    """Seeds every generator that a step may draw from.

    SpeechBrain's augmentations draw from Python's generator as well as from torch's,
    those of others from NumPy's, and a loader that SpeechBrain makes for a list of
    noises is shuffled by a seed in the environment. None of these states is in a
    checkpoint: where each step is seeded, a run that goes on draws what it would have
    drawn.

    Arguments
    ---------
    seed : int
        Non-negative, of at most 63 bits.

    Example
    -------
    >>> seed_step(2**62 + 1)
    >>> first = torch.rand(1).item(), random.random(), np.random.rand()
    >>> seed_step(2**62 + 1)
    >>> first == (torch.rand(1).item(), random.random(), np.random.rand())
    True
    """
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    os.environ["SB_GLOBAL_SEED"] = str(seed)
