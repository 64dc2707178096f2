"""How many threads a recipe's process computes with, on a CPU."""

from __future__ import annotations

import os

import torch

from clap_sb.config import Config, ConfigError


def set_threads(config: Config) -> None:
    """Sets the number of threads that the settings ask for.

    It is never chosen by what else the machine does at the time: sums are added up in
    another order by another number of threads, and a run that is gone on with would not
    end in the same bits.

    Arguments
    ---------
    config : Config
        ``num_threads``: on the command line it wins; a YAML file's gives way to the
        variable ``OMP_NUM_THREADS``. None leaves it to torch: a thread a core.

    Raises
    ------
    ConfigError
        If it is no whole number of 1 or more.

    Example
    -------
    >>> set_threads(Config("num_threads: 0"))
    Traceback (most recent call last):
    ...
    clap_sb.config.ConfigError: num_threads is 0: give a whole number of 1 or more, or \
null for a thread a core
    """
    count = config.values()["num_threads"]
    if count is None:
        return
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ConfigError(
            f"num_threads is {count!r}: give a whole number of 1 or more, or null for "
            "a thread a core"
        )
    if "num_threads" in config.given or "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(count)
