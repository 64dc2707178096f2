"""Finds the test clips that answer a text query.

Run from the root of the repository, after training a system:

    python recipes/AudioCaps/search.py --checkpoint results/demo "a dog barks twice"

Authors
 * The clap_sb developers 2026
"""

import argparse

from speechbrain.utils.distributed import infer_device

from clap_sb.checkpoints.run_folder import load_run
from clap_sb.data.manifest import read_manifest
from clap_sb.evaluation.embedding import Embedded, embed_captions, embed_clips
from clap_sb.experiment.run import run_recipe
from clap_sb.model import CLAP


def main(argv: list[str]) -> None:
    """Embeds the run's test clips and the queries, and prints the best answers."""
    arguments = read_arguments(argv)
    device = arguments.device or infer_device()
    model = load_run(arguments.checkpoint, device)
    manifest = arguments.manifest or model.run / "manifests/test.json"
    clips = read_manifest(manifest)
    embedded = embed_clips(
        model.clap, clips, device=device, with_captions=False, progress=True
    )
    print(f"{model.system}, trained on {model.trained_on}; {len(clips)} clips")
    for query in arguments.query:
        print("\n" + answer(model.clap, embedded, query, arguments.top))


def read_arguments(argv: list[str]) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("query", nargs="+", help="what to listen for, in words")
    parser.add_argument("--checkpoint", required=True, help="a training run's folder")
    parser.add_argument("--manifest", help="clips to search (default: its test set)")
    parser.add_argument("--top", type=int, default=3, help="answers a query")
    parser.add_argument("--device", help="cuda:0, cpu, ...")
    return parser.parse_args(argv)


def answer(clap: CLAP, embedded: Embedded, query: str, top: int) -> str:
    """The clips most similar to a query, with what they are really captioned."""
    similarity = embedded.audio @ embed_captions(clap, [query])[0]
    lines = [f"query: {query}"]
    best = similarity.topk(min(top, len(similarity)))
    for place, (value, index) in enumerate(zip(*best, strict=True), start=1):
        clip = embedded.clips[index]
        caption = clip.captions[0] if clip.captions else "(no caption)"
        lines.append(f"  {place}. {value:.3f}  {caption}  [{clip.path}]")
    return "\n".join(lines)


if __name__ == "__main__":
    run_recipe(main)
