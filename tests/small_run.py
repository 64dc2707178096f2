"""The folder that a small training run leaves."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from builders import CLIP_SAMPLES, SAMPLE_RATE, amplify, write_text_source

from clap_sb.checkpoints.run_folder import PARTS
from clap_sb.config import Config
from clap_sb.model import CLAP
from clap_sb.training.checkpointer import AtomicCheckpointer

SYSTEM = f"""
system: tiny
trained_on: nothing
text_tower_origin: random
best_metric: score
joint_dim: 12
source: SOURCE
audio_encoder: !new:clap_sb.encoders.htsat.HTSAT
    log_mel: !new:clap_sb.features.LogMel
        sample_rate: {SAMPLE_RATE}
        n_fft: 256
        hop_length: 80
        n_mels: 16
        f_max: 4000
    clip_samples: {CLIP_SAMPLES}
    spec_size: 64
    window_size: 4
    embed_dim: 16
    depths: [1, 1]
    num_heads: [2, 4]
text_encoder: !new:clap_sb.encoders.text.TransformersText
    source: !ref <source>
    pretrained: False
audio_projection: !new:clap_sb.encoders.projection.MLPProjection
    input_dim: 32
    joint_dim: !ref <joint_dim>
text_projection: !new:clap_sb.encoders.projection.MLPProjection
    input_dim: 16
    joint_dim: !ref <joint_dim>
logit_scale: !new:clap_sb.objectives.logit_scale.LogitScale
clap: !new:clap_sb.model.CLAP
    audio_encoder: !ref <audio_encoder>
    text_encoder: !ref <text_encoder>
    audio_projection: !ref <audio_projection>
    text_projection: !ref <text_projection>
    logit_scale: !ref <logit_scale>
"""
KEYS = ("system", *PARTS, "clap", "trained_on", "text_tower_origin", "best_metric")


def write_run(
    run: Path,
    source: Path,
    scores: Mapping[int, float],
    note: Callable[[int, str, CLAP], None] = lambda epoch, name, clap: None,
) -> None:
    """Writes a run whose epochs had some scores, and a checkpoint between epochs.

    `source` is a folder for the text tower's files, gone in the end: a run folder
    stands by itself. `note` is told each epoch's checkpoint and model.
    """
    write_text_source(source)
    config = Config(SYSTEM).updated({"source": str(source)})
    (run / "model.yaml").write_text(config.extract(KEYS))
    built = config.build()
    built["text_encoder"].save_source(run / "text")
    shutil.rmtree(source)
    parts = {name: built[name] for name in PARTS}
    checkpointer = AtomicCheckpointer(run / "save", parts)
    clap = built["clap"].eval()
    for epoch, score in scores.items():
        amplify(clap, seed=epoch)
        with torch.no_grad():
            clap.logit_scale.log_scale.fill_(epoch)
        meta = {"epoch": epoch, "score": score}
        name = checkpointer.save_checkpoint(meta=meta).path.name
        note(epoch, name, clap)
    amplify(clap, seed=4)
    checkpointer.save_checkpoint(end_of_epoch=False)
