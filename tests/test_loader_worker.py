"""Workers end with their main process, whoever their parent is."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from processes import start_process

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
WORKERS = 2


class _Numbers:
    """A data set, of which each item tells who reads it."""

    def __len__(self):
        return 64

    def __getitem__(self, index):
        return os.getpid()


def _main(method: str, log: Path, dies: bool) -> None:
    """Reads a batch of each worker, and is killed, or ends."""
    import torch

    from clap_sb.loader_worker import leave_signals_to_main

    multiprocessing.set_forkserver_preload(["torch"])
    loader = torch.utils.data.DataLoader(
        _Numbers(),
        batch_size=4,
        num_workers=WORKERS,
        multiprocessing_context=method,
        worker_init_fn=leave_signals_to_main,
        persistent_workers=True,
    )
    batches = iter(loader)
    found = {int(next(batches)[0]) for _ in range(WORKERS)}
    log.write_text(" ".join(map(str, found)), encoding="utf-8")
    if dies:
        os.kill(os.getpid(), signal.SIGKILL)
    for worker in found:  # as an exit of Python does it, which then waits
        os.kill(worker, signal.SIGTERM)
    os._exit(0)


@pytest.mark.parametrize(
    ("method", "dies"), [("fork", True), ("forkserver", True), ("forkserver", False)]
)
def test_workers_end_with_their_main_process(method, dies, tmp_path):
    process = start_process(_main, method, tmp_path / "log", dies)
    process.join(60)
    assert process.exitcode == (-signal.SIGKILL if dies else 0)
    workers = (tmp_path / "log").read_text(encoding="utf-8").split()
    assert len(workers) == WORKERS
    end = time.monotonic() + 20
    while left := [pid for pid in workers if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < end, f"{left} are left behind"
        time.sleep(0.1)
