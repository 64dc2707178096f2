"""What fine-tuning on forty clips of one's own is worth, over three seeds.

Run from the root of the repository:

    python recipes/ESC-50/train.py hparams/small_cnn14.yaml --data_folder ESC-10 \
        --output_folder results/esc10
    python benchmarks/fine_tuning_own_data.py ESC-10 results/esc10/fold_5 results/own

The recordings are those of ESC-10 (a folder in ESC-50's layout). The checkpoint to
start from has heard folds 1 to 4, and prompts of the classes' names. Forty clips of
fold 5, four a class, go into a CSV file with two captions each, in other words than
the prompts, and recipes/Custom/train.py fine-tunes on them. Each seed splits the forty
clips anew; scores are those of its held-out clips, before and after.

    python benchmarks/fine_tuning_own_data.py ESC-10 none results/own \
        --system hparams/aisfx_minilm.yaml

trains another system on the forty clips from its own start: there is no before.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

SYSTEM = "hparams/small_cnn14.yaml"
SEEDS = (1, 2, 3)
SCORES = ("t2a_recall_at_1", "t2a_map_at_10", "a2t_recall_at_1", "a2t_map_at_10")
FOLD, CLIPS_A_CLASS = "5", 4

CAPTIONS = {
    "chainsaw": ("a motor saw cuts wood", "someone fells a tree with a machine"),
    "clock_tick": ("the ticking hands of a watch", "seconds go by, tick by tick"),
    "crackling_fire": ("logs burn in a fireplace", "flames crackle"),
    "crying_baby": ("an infant weeps", "a small child is unhappy"),
    "dog": ("barking and more barking", "an animal barks at someone"),
    "helicopter": ("rotor blades beat the air", "an aircraft hovers overhead"),
    "rain": ("a downpour on the roof", "water falls from the sky"),
    "rooster": ("a cock crows at dawn", "crowing in the farmyard"),
    "sea_waves": ("surf breaks on a beach", "the ocean washes ashore"),
    "sneezing": ("somebody has a cold, achoo", "a person needs a handkerchief"),
}


def main() -> None:
    """Fine-tunes with each seed, and prints the means."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data_folder", type=Path)
    parser.add_argument("checkpoint", help="to start from, or none")
    parser.add_argument("output_folder", type=Path)
    parser.add_argument("--system", default=SYSTEM)
    arguments = parser.parse_args()
    out = arguments.output_folder
    out.mkdir(parents=True, exist_ok=True)
    write_own(arguments.data_folder, out / "own.csv")
    settings = {"train_csv": out / "own.csv", "device": "cpu"}
    report = "retrieval.json"
    if arguments.checkpoint != "none":
        settings["init"], report = arguments.checkpoint, "fine_tuning.json"
    found = []
    for seed in SEEDS:
        start, folder = time.monotonic(), out / f"seed_{seed}"
        train(arguments.system, {**settings, "seed": seed, "output_folder": folder})
        print(f"seed {seed}: {time.monotonic() - start:.0f} s")
        path = folder / "results" / report
        found.append(json.loads(path.read_text(encoding="utf-8")))
    print(table(found) if "init" in settings else table_of_scores(found))


def write_own(source: Path, path: Path) -> None:
    """Lists forty clips with two captions each, as a user would."""
    with open(source / "meta" / "esc50.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["fold"] == FOLD]
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "caption"])
        for category, captions in CAPTIONS.items():
            of_class = [row for row in rows if row["category"] == category]
            for row in of_class[:CLIPS_A_CLASS]:
                audio = (source / "audio" / row["filename"]).resolve()
                writer.writerows([audio, caption] for caption in captions)


def train(system: str, settings: dict[str, object]) -> None:
    """Runs the recipe."""
    command = [sys.executable, "recipes/Custom/train.py", system, "--noprogressbar"]
    for name, value in settings.items():
        command += [f"--{name}", str(value)]
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


def table_of_scores(found: list[dict[str, float]]) -> str:
    """Means over the seeds, where there is no before."""
    lines = ["| score | mean | seeds |", "|---|---|---|"]
    for name in SCORES:
        scores = [scored[name] for scored in found]
        each = ", ".join(f"{score:.1f}" for score in scores)
        lines.append(f"| {name} | {statistics.mean(scores):.1f} | {each} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
