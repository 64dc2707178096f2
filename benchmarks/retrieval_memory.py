"""Measures time and peak memory of the retrieval metric on random embeddings.

> python benchmarks/retrieval_memory.py --num_clips 20000 --captions 5

Peak memory is the process' own since it started (``VmHWM``, so Linux only):
``ru_maxrss`` would include that of the process which started this one.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from clap_sb.evaluation.retrieval import retrieval


def random_embeddings(count: int, dim: int, generator: torch.Generator) -> torch.Tensor:
    """Unit-norm embeddings ``[count, dim]``, made with no second copy."""
    embeddings = torch.randn(count, dim, generator=generator)
    return embeddings.div_(torch.linalg.vector_norm(embeddings, dim=1, keepdim=True))


def peak_rss() -> float:
    """Peak resident memory of this process so far, in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmHWM in /proc/self/status; run this on Linux")


def main() -> None:
    """Runs the metric once, on CPU, and prints what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num_clips", type=int, default=20_000)
    parser.add_argument("--captions", type=int, default=5, help="captions a clip")
    parser.add_argument("--dim", type=int, default=512)
    options = parser.parse_args()

    generator = torch.Generator().manual_seed(0)
    audio = random_embeddings(options.num_clips, options.dim, generator)
    num_captions = options.num_clips * options.captions
    text = random_embeddings(num_captions, options.dim, generator)
    clip = torch.arange(options.num_clips).repeat_interleave(options.captions)

    before, start = peak_rss(), time.perf_counter()
    scores = retrieval(audio, text, clip).scores()
    seconds, after = time.perf_counter() - start, peak_rss()
    print(f"t2a_recall_at_10 {scores['t2a_recall_at_10']:.4f} %")
    print(f"seconds {seconds:.1f}")
    print(f"full_matrix_mib {4 * options.num_clips * num_captions / 2**20:.0f}")
    print(f"peak_rss_mib {after:.0f}")
    print(f"added_mib {after - before:.0f}")


if __name__ == "__main__":
    main()
