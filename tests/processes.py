"""Starts processes in which the libraries that take long to import are there already.

A server imports them once, and each process is forked from it. The server of a test
run is started by the first process, so that all of them have to start here: begun
elsewhere, it would have nothing imported, and each script would take 8 s longer.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from unittest import mock

_HEAVY = [
    "speechbrain",
    "transformers.models.auto",
    "transformers.models.roberta.modeling_roberta",
    "sentencepiece",
    "soundfile",
    "matplotlib.pyplot",
    "clap_sb.brain",
    "clap_sb.evaluation.plots",
    "clap_sb.experiment.settle",
    "clap_sb.experiment.testing",
    "clap_sb.checkpoints.open_checkpoint",
]
_ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


def start_process(target: Callable[..., None], *args: object) -> BaseProcess:
    """Calls a function in a process of its own, and does not wait for its end."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_HEAVY)
    process = context.Process(target=target, args=args)
    with mock.patch.dict(os.environ, _ENVIRONMENT):
        process.start()
    return process
