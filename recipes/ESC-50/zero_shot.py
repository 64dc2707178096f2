"""Classifies ESC-50 zero-shot with a trained CLAP system.

Run from the root of the repository, after training a system:

    python recipes/ESC-50/zero_shot.py hparams/htsat_roberta.yaml \
        --checkpoint results/AudioCaps/htsat_roberta/3407 --data_folder FOLDER

Each clip gets the class whose prompt is most similar. All clips of all five folds are
scored, each fold by itself too. Without ``--data_folder``, a small synthesised set
stands in for the real one.

Authors
 * The clap_sb developers 2026
"""

from pathlib import Path

import torch
from speechbrain.utils.distributed import infer_device

from clap_sb.checkpoints.run_folder import CheckpointError, LoadedModel, load_run
from clap_sb.data.builtin import write_esc50
from clap_sb.data.manifest import read_manifest
from clap_sb.evaluation.embedding import embed_captions, embed_clips
from clap_sb.evaluation.retrieval_report import Origin
from clap_sb.evaluation.zero_shot import prompt, zero_shot
from clap_sb.evaluation.zero_shot_report import report_zero_shot
from clap_sb.experiment.run import Experiment, begin, run_recipe
from esc50_prepare import prepare_esc50

HERE = Path(__file__).resolve().parent
FILES = [HERE.parent / "common.yaml", HERE / "recipe.yaml"]


def main(argv: list[str]) -> None:
    """Loads the system, embeds clips and prompts, scores and reports."""
    experiment = begin(argv, FILES)
    values = experiment.values
    device = experiment.run_opts.device or infer_device()
    model = load(experiment, device)

    def write_builtin(folder: Path) -> Path:
        return write_esc50(folder, values["builtin_clips_per_class"], values["seed"])

    manifest = prepare_esc50(
        data_folder=experiment.data_folder(write_builtin),
        save_folder=experiment.folder / "manifests",
        skip_prep=values["skip_prep"],
    )
    embedded = embed_clips(
        model.clap,
        read_manifest(manifest),
        batch_size=values["valid_batch_size"],
        num_workers=values["num_workers"],
        device=device,
        with_captions=False,
        progress=True,
    )
    labels = sorted({clip.label for clip in embedded.clips})
    prompts = [prompt(label, values["prompt"]) for label in labels]
    outcome = zero_shot(
        embedded.audio,
        embed_captions(model.clap, prompts),
        torch.tensor([labels.index(clip.label) for clip in embedded.clips]),
        labels,
        torch.tensor([clip.fold for clip in embedded.clips]),
    )
    origin = Origin(
        system=model.system,
        dataset=experiment.dataset_name,
        split="all folds",
        checkpoint=str(model.path),
        selection=f"{model.selection}; trained on {model.trained_on}",
        text_tower_origin=model.text_tower_origin,
        seed=values["seed"],
        num_resamples=values["num_resamples"],
    )
    folder = experiment.folder
    print("\n" + report_zero_shot(folder, embedded, outcome, origin, values["prompt"]))


def load(experiment: Experiment, device: str) -> LoadedModel:
    """Loads the checkpoint that was asked for; it must be of the system named."""
    values = experiment.values
    if values["checkpoint"] is None:
        raise CheckpointError(
            "zero-shot classification needs a trained model: give --checkpoint FOLDER, "
            "the output folder of recipes/AudioCaps/train.py"
        )
    model = load_run(values["checkpoint"], device)
    if model.system != values["system"]:
        raise CheckpointError(
            f"{values['checkpoint']} is a {model.system!r} model, the command names "
            f"{values['system']!r}: run it with hparams/{model.system}.yaml"
        )
    return model


if __name__ == "__main__":
    run_recipe(main)
