"""Finds the clips that answer a text query.

Run from the root of the repository, after training a system:

    python recipes/AudioCaps/search.py --checkpoint results/demo "a dog barks twice"

``--rescoring nnn`` corrects for hubs, clips that are close to every query, with the
captions of the run's training clips as a bank.

Authors
 * The clap_sb developers 2026
"""

import argparse
import json
from pathlib import Path

import clap_sb.experiment  # noqa: F401  first: see there

# isort: split
import torch
from speechbrain.utils.distributed import infer_device

from clap_sb.checkpoints.checkpoint import Checkpoint
from clap_sb.checkpoints.open_checkpoint import open_checkpoint
from clap_sb.data.manifest import read_manifest
from clap_sb.evaluation.embedding import Embedded, embed_captions, embed_clips
from clap_sb.evaluation.query_bank import QueryBank
from clap_sb.evaluation.rescoring import METHODS, rescore
from clap_sb.evaluation.similarity import similarity
from clap_sb.experiment.run import run_recipe

BANK_CLIPS, BANK_SEED = 1000, 0


def main(argv: list[str]) -> None:
    """Embeds clips and queries, and prints the best answers."""
    arguments = read_arguments(argv)
    device = arguments.device or infer_device()
    model = open_checkpoint(arguments.checkpoint, device=device, trust=arguments.trust)
    clips = read_manifest(manifest_of(model, arguments.manifest, "test"))
    embedded = embed_clips(
        model.clap, clips, device=device, with_captions=False, progress=True
    )
    print(f"{model.system}, trained on {model.trained_on}; {len(clips)} clips")
    scores = similarity(embed_captions(model.clap, arguments.query), embedded.audio)
    order = scores
    if arguments.rescoring:
        training = read_manifest(manifest_of(model, arguments.bank, "train"))
        bank = QueryBank.draw(training, clips, BANK_CLIPS, BANK_SEED)
        print(bank.describe())
        known = similarity(embed_captions(model.clap, bank.captions), embedded.audio)
        order = rescore(scores, known, arguments.rescoring, **arguments.numbers)
    for row, query in enumerate(arguments.query):
        print(f"\nquery: {query}")
        print(answer(embedded, scores[row], order[row], arguments.top))


def read_arguments(argv: list[str]) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("query", nargs="+", help="what to listen for, in words")
    add("--checkpoint", required=True, help="a training run's folder, or any other")
    add("--manifest", help="clips to search (default: the run's test set)")
    add("--top", type=int, default=3, help="answers a query")
    add("--rescoring", choices=METHODS, help="correct for hubs")
    add("--bank", help="manifest of the bank (default: the run's training set)")
    add("--numbers", type=json.loads, default={}, help="e.g. '{\"temperature\": 0.1}'")
    add("--device", help="cuda:0, cpu, ...")
    add("--trust", action="store_true", help="import classes of others it is built of")
    return parser.parse_args(argv)


def manifest_of(model: Checkpoint, given: str | None, split: str) -> Path:
    """The manifest that was given, or that of the checkpoint's run."""
    if given is None and model.run is None:
        option = "manifest" if split == "test" else "bank"
        raise ValueError(f"{model.source} is no training run: give --{option} FILE")
    return Path(given) if given else model.run / "manifests" / f"{split}.json"


def answer(
    embedded: Embedded, scores: torch.Tensor, order: torch.Tensor, top: int
) -> str:
    """The best clips with their cosines, and with what they are really captioned."""
    lines = []
    best = order.topk(min(top, len(order))).indices
    for place, index in enumerate(best.tolist(), start=1):
        clip = embedded.clips[index]
        caption = clip.captions[0] if clip.captions else "(no caption)"
        lines.append(f"  {place}. {scores[index]:.3f}  {caption}  [{clip.path}]")
    return "\n".join(lines)


if __name__ == "__main__":
    run_recipe(main)
