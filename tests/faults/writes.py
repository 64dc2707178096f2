"""Each operation on the disk fails once, for every one that there is; or kills.

    python tests/faults/writes.py

What is being done then has ended well, or with an error that names the disk's fault;
what was there before, or what was to be, is there whole; done again, it ends as if
nothing had happened.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from faults.scenarios import IndexScenarios, ModelScenarios, TrainingScenario
from faults.survival import survive

KINDS = {"index": IndexScenarios, "model": ModelScenarios, "training": TrainingScenario}


def main() -> None:
    """Prints a line a scenario; an assertion ends it where something is damaged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--step", type=int, default=1, help="every so many operations")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for kind in arguments.kinds:
        with tempfile.TemporaryDirectory() as folder:
            for scenario in KINDS[kind](Path(folder)).all():
                begin = time.monotonic()
                result = survive(
                    scenario, places=lambda n: range(1, n + 1, arguments.step)
                )
                print(
                    f"{scenario.name}: {result.operations} operations, {result.tried} "
                    f"faults survived ({result.told} told, {result.killed} kills), "
                    f"{time.monotonic() - begin:.0f} s",
                    flush=True,
                )


if __name__ == "__main__":
    main()
