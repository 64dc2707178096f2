"""What fine-tuning on forty clips of one's own is worth, over three seeds.

Run from the root of the repository:

    python benchmarks/fine_tuning_own_data.py ESC-10 results/fine_tuning

The recordings are those of ESC-10 (a folder in ESC-50's layout). Half of its classes
train the checkpoint to start from, through recipes/ESC-50/train.py. Forty clips of the
other classes, which that checkpoint has never heard, are written into a CSV file with
two captions each, and recipes/Custom/train.py fine-tunes on them. Each seed splits the
forty clips anew; scores are those of its held-out clips, before and after.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

SYSTEM = "hparams/small_cnn14.yaml"
SEEDS = (1, 2, 3)
SCORES = ("t2a_recall_at_1", "t2a_map_at_10", "a2t_recall_at_1", "a2t_map_at_10")
OWN_FOLD = "5"
EPOCHS = 30  # of the checkpoint to start from

CAPTIONS = {
    "dog": ("a dog barks", "barking of a dog nearby", "some dog is barking"),
    "rain": ("rain pours down", "heavy rain falling", "it rains without a pause"),
    "rooster": ("a rooster crows", "crowing of a rooster", "some cock crows loudly"),
    "sea_waves": ("waves break on a shore", "surf of the sea", "the sea washes ashore"),
    "sneezing": ("somebody sneezes", "a loud sneeze", "a person has to sneeze"),
}


def main() -> None:
    """Trains the checkpoint, fine-tunes it with each seed, prints the means."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data_folder", type=Path)
    parser.add_argument("output_folder", type=Path)
    arguments = parser.parse_args()
    out = arguments.output_folder.resolve()
    rows = read_list(arguments.data_folder)
    write_half(arguments.data_folder, rows, out / "other_classes")
    write_own(arguments.data_folder, rows, out / "own.csv")
    half = ["--data_folder", out / "other_classes", "--number_of_epochs", EPOCHS]
    run("ESC-50", *half, "--output_folder", out)
    gains = []
    for seed in SEEDS:
        start, folder = time.monotonic(), out / f"seed_{seed}"
        settings = ["--train_csv", out / "own.csv", "--init", out / "fold_5"]
        run("Custom", *settings, "--seed", seed, "--output_folder", folder)
        print(f"seed {seed}: {time.monotonic() - start:.0f} s")
        report = folder / "results" / "fine_tuning.json"
        gains.append(json.loads(report.read_text(encoding="utf-8")))
    print(table(gains))


def read_list(folder: Path) -> list[dict[str, str]]:
    """The rows of ESC-50's list."""
    with open(folder / "meta" / "esc50.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_half(source: Path, rows: list[dict[str, str]], folder: Path) -> None:
    """Copies the classes that are not in the forty clips."""
    rows = [row for row in rows if row["category"] not in CAPTIONS]
    for name in ("meta", "audio"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    with open(folder / "meta" / "esc50.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        shutil.copy(source / "audio" / row["filename"], folder / "audio")


def write_own(source: Path, rows: list[dict[str, str]], path: Path) -> None:
    """Forty clips, two captions each, as a user would list them."""
    own = [r for r in rows if r["category"] in CAPTIONS and r["fold"] == OWN_FOLD]
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "caption"])
        for index, row in enumerate(own):
            captions = CAPTIONS[row["category"]]
            audio = (source / "audio" / row["filename"]).resolve()
            for turn in range(2):
                writer.writerow([audio, captions[(index + turn) % len(captions)]])
    print(f"{len(own)} clips of {len(CAPTIONS)} classes in {path}")


def run(recipe: str, *settings: object) -> None:
    """Runs a recipe's training script, on the CPU."""
    command = [sys.executable, f"recipes/{recipe}/train.py", SYSTEM, "--device", "cpu"]
    command += ["--noprogressbar", *map(str, settings)]
    subprocess.run(command, check=True)


def table(gains: list[dict[str, float]]) -> str:
    """Means over the seeds, before and after."""
    lines = [
        "| score | unchanged | fine-tuned | seeds, fine-tuned |",
        "|---|---|---|---|",
    ]
    for name in SCORES:
        before = [gain[f"{name}_unchanged"] for gain in gains]
        after = [gain[f"{name}_fine_tuned"] for gain in gains]
        each = ", ".join(
            f"{old:.1f} to {new:.1f}" for old, new in zip(before, after, strict=True)
        )
        means = f"{statistics.mean(before):.1f} | {statistics.mean(after):.1f}"
        lines.append(f"| {name} | {means} | {each} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
