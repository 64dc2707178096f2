"""Measures a search among a million vectors: exact, approximate, time and memory.

> python benchmarks/search_million.py --num_vectors 1000000

The vectors lie around random centres (noise of norm 0.5, normalised again). Building
and each kind of search run in a process of their own, with two threads, and print
their peak memory: resident in all, and what of it is the process' own (the rest are
pages of files that are mapped into memory, which the system takes back as it needs).
Linux only.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_THREADS = "2"
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    # before numpy is imported, which reads them
    os.environ[_name] = _THREADS

import numpy as np  # noqa: E402

from clap_sb.search import SearchIndex  # noqa: E402
from clap_sb.search.approximate import PROBES, update_approximate  # noqa: E402
from clap_sb.search.records import FileRecord, ModelFacts, NewSound  # noqa: E402
from clap_sb.search.scan import Stamp  # noqa: E402
from clap_sb.search.store import Store  # noqa: E402

_BLOCK = 10_000
_NOISE = 0.5
_TOP = 10


def normalised(values: np.ndarray) -> np.ndarray:
    """Rows of norm 1."""
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def around(centres: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Vectors around centres that are drawn at random, ``[count, dim]``."""
    generator = np.random.default_rng(seed)
    shape = (count, centres.shape[1])
    noise = normalised(generator.standard_normal(shape, dtype=np.float32))
    chosen = centres[generator.integers(len(centres), size=count)]
    return normalised(chosen + np.float32(_NOISE) * noise)


def all_centres(options: argparse.Namespace) -> np.ndarray:
    """The centres, the same in each process."""
    generator = np.random.default_rng(0)
    shape = (options.num_centres, options.dim)
    return normalised(generator.standard_normal(shape, dtype=np.float32))


def build(options: argparse.Namespace) -> None:
    """Adds the vectors as sounds of one window, and makes the approximate part."""
    centres = all_centres(options)
    facts = ModelFacts("f00d", "", "", None, "", options.dim, 10, 10)
    store = Store.create(options.folder, facts)
    start = time.perf_counter()
    for begin in range(0, options.num_vectors, _BLOCK):
        count = min(_BLOCK, options.num_vectors - begin)
        rows = around(centres, count, seed=1 + begin)
        sounds = [
            NewSound(f"{begin + i:09}", 10, rows[i : i + 1]) for i in range(count)
        ]
        ids = store.add_sounds(sounds)
        store.set_files({f"/{h}.wav": FileRecord(Stamp(1, 1), ids[h]) for h in ids})
    print(f"adding_seconds {time.perf_counter() - start:.1f}")
    start, start_busy = time.perf_counter(), time.process_time()
    update_approximate(store, exact_up_to=0)
    print(f"building_seconds {time.perf_counter() - start:.1f}")
    print(f"building_cpu_seconds {time.process_time() - start_busy:.1f}")
    print_memory("building")


def search(options: argparse.Namespace, exact: bool) -> None:
    """Answers the queries, and saves which rows were found."""
    queries = around(all_centres(options), options.num_queries, seed=10**9)
    if exact:
        # an index without its approximate part is an exact one
        Store(options.folder).set_fact("approximate", None)
    index = SearchIndex(options.folder, probes=options.probes)
    index.search(queries[0], _TOP)  # loads the pages
    found, seconds, busy = [], [], []
    for query in queries:
        start, start_busy = time.perf_counter(), time.process_time()
        hits = index.search(query, _TOP)
        seconds.append(time.perf_counter() - start)
        busy.append(time.process_time() - start_busy)
        found.append([hit.row for hit in hits])
    name = "exact" if exact else "approximate"
    assert index.is_exact == exact
    np.save(options.folder / f"{name}.npy", found)
    milliseconds = 1000 * np.array(seconds)
    print(f"{name}_query_ms_median {np.median(milliseconds):.1f}")
    print(f"{name}_query_ms_95th_percentile {np.percentile(milliseconds, 95):.1f}")
    # of all cores together: what other processes take does not count
    print(f"{name}_query_cpu_ms_median {1000 * np.median(busy):.1f}")
    print_memory(name)


def print_memory(name: str) -> None:
    """Peak memory of this process so far, and its own part of what it has now."""
    status = dict(
        line.split(":", 1)
        for line in Path("/proc/self/status").read_text().splitlines()
    )
    for label, key in (("peak_rss", "VmHWM"), ("own_rss", "RssAnon")):
        print(f"{name}_{label}_gb {int(status[key].split()[0]) * 1024 / 1e9:.2f}")


def main() -> None:
    """Runs the steps, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num_vectors", type=int, default=1_000_000)
    parser.add_argument("--num_centres", type=int, default=20_000)
    parser.add_argument("--num_queries", type=int, default=100)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--probes", type=int, default=PROBES)
    parser.add_argument("--folder", type=Path, help="where to build (needs 3 GB)")
    parser.add_argument("--step", choices=["build", "approximate", "exact"])
    options = parser.parse_args()
    if options.step == "build":
        build(options)
    elif options.step is not None:
        search(options, exact=options.step == "exact")
    else:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            for step in ("build", "approximate", "exact"):
                words = [*sys.argv, "--folder", f"{folder}/index", "--step", step]
                subprocess.run([sys.executable, *words], check=True)
            found, right = (
                np.load(f"{folder}/index/{name}.npy")
                for name in ("approximate", "exact")
            )
        shares = [
            len(set(a) & set(b)) / _TOP for a, b in zip(found, right, strict=True)
        ]
        print(f"recall_at_{_TOP} {np.mean(shares):.4f}")


if __name__ == "__main__":
    main()
