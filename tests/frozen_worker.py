"""Trains with and without cache_frozen, as one of several ranks.

torchrun --standalone --nproc-per-node 2 tests/frozen_worker.py MANIFEST FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import speechbrain as sb
import torch
from builders import tiny_clap, tiny_htsat
from test_cache_frozen import SGD, brain_for, calls, train

from clap_sb.data.manifest import read_manifest


def main(manifest: str, folder: str) -> None:
    """Each rank writes what it ends with, and how many rows its towers computed."""
    sb.utils.distributed.ddp_init_group({"distributed_backend": "gloo"})
    rank = torch.distributed.get_rank()
    clips = read_manifest(manifest)
    source = Path(folder) / f"text {rank}"
    model = tiny_clap(source, tiny_htsat(freeze=True), freeze=True)
    for name, cache in (("plain", False), ("cached", True), ("again", True)):
        brain = brain_for(
            *(model, Path(folder) / name, cache, 8, {"distributed_backend": "gloo"}),
            opt_class=SGD,
            rate=0.03,
            frozen_folder=str(Path(folder) / "frozen"),
        )
        towers = brain.clap.audio_encoder, brain.clap.text_encoder
        counts = [calls(tower) for tower in towers]
        weights = train(brain, clips, clips[:3])
        end = {"weights": weights, "rows": [sum(count) for count in counts]}
        torch.save(end, Path(folder) / f"{name} {rank}.pt")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
