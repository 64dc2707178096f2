"""All that is tried by `make faults`, as many parts at once as there are cores.

    python tests/faults/everything.py

What a part prints stands together, with the seconds that it took, and those of a core
that it and the processes that it waited for have had: on a busy machine, these say
more. Files are written in memory where there is room, since no disk needs to wait.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The longest first: none of them is waited for alone in the end.
PARTS = (
    "writes.py --kinds training",
    "soak.py",
    "mutations.py --kinds m4a mp3 opus",
    "writes.py --kinds index",
    "mutations.py --kinds flac ogg wav",
    "kills.py --kinds training",
    "writes.py --kinds model",
    "kills.py --kinds index",
    "load.py",
)
_MEMORY = Path("/dev/shm")
_ROOM = 2**30


def environment() -> dict[str, str]:
    """Of a part: one thread, nothing from the hub, files in memory where they fit."""
    given = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM:
        given["TMPDIR"] = str(_MEMORY)
    return given


def run(part: str, given: dict[str, str]) -> tuple[int, str]:
    """Runs a part.

    Arguments
    ---------
    part : str
        One of `PARTS`.
    given : dict
        Its environment.

    Returns
    -------
    status : int
    told : str
        What it printed, and how long it took.
    """
    name, *words = part.split()
    begin = time.monotonic()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, str(HERE / name), *words],
            env=given,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        told = output.read()
    seconds, of_core = time.monotonic() - begin, used.ru_utime + used.ru_stime
    told += f"  {part}: {seconds:.0f} s, {of_core:.0f} s of a core"
    return process.returncode, told


def main() -> None:
    """Prints what each part does; ends with status 1 if one went otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="at once")
    jobs = parser.parse_args().jobs
    begin, failed, given = time.monotonic(), [], environment()
    with ThreadPoolExecutor(jobs) as pool:
        under_way = {pool.submit(run, part, given): part for part in PARTS}
        for done in as_completed(under_way):
            status, told = done.result()
            print(told, flush=True)
            failed += [under_way[done]] if status else []
    print(f"all of it: {time.monotonic() - begin:.0f} s, {jobs} at once")
    if failed:
        sys.exit(f"went otherwise than promised: {'; '.join(failed)}")


if __name__ == "__main__":
    main()
