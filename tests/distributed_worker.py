"""Three optimizer steps of the demo system, alone or as one of several ranks.

torchrun --standalone --nproc-per-node 2 tests/distributed_worker.py MANIFEST FOLDER
"""

from __future__ import annotations

import copy
import functools
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import speechbrain as sb
import torch
from extending_doc import write_modules

from clap_sb.brain import CLAPBrain
from clap_sb.config import join
from clap_sb.data.manifest import Clip, read_manifest
from clap_sb.data.pairs import PairCollate, PairDataset
from clap_sb.objectives.info_nce import InfoNCE
from clap_sb.training.text_start import settle_text_tower

ROOT = Path(__file__).resolve().parents[1]
FILES = [
    ROOT / "recipes" / "common.yaml",
    ROOT / "recipes" / "training.yaml",
    ROOT / "recipes" / "AudioCaps" / "recipe.yaml",
    ROOT / "hparams" / "demo.yaml",
]
# nothing random, and a step that shows the size of the gradient, not its sign alone
OVERRIDES = """
audio_encoder: {drop_path: 0.0, spec_augment: null}
text_config: {hidden_dropout_prob: 0.0, attention_probs_dropout_prob: 0.0}
text_vocab_size: 100
number_of_epochs: 1
warmup_steps: 0
lr: 0.05
max_grad_norm: 1000000000.0
"""
SGD = functools.partial(torch.optim.SGD, momentum=0.9)

STEPS = 3


@dataclass(frozen=True)
class Case:
    """A way to train."""

    joint_batch: int  # clips of all ranks together
    factor: int = 1  # of accumulation
    caption_policy: str = "random"
    more: str = ""  # YAML


CASES = {
    "plain": Case(8),
    "accumulated": Case(4, factor=2),
    # ranks have different numbers of captions then
    "all captions": Case(8, caption_policy="all"),
    # of docs/extending.md
    "bias": Case(
        8,
        caption_policy="all",
        more="objective: !new:siglip.SigLIP\nlogit_scale: {bias: -2.0}",
    ),
    "objective that learns": Case(
        4,
        factor=2,
        more="objective: !new:predicting.Predicting {dim: !ref <joint_dim>}",
    ),
}


class Guessing(InfoNCE):
    """Drops other logits on each rank, and so learns something else on each alone."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, audio, text, *rest):
        kept = torch.nn.functional.dropout(self.layer(audio.new_ones(64, 1)))
        return super().forward(audio, text, *rest) + kept.sum()


class FixedBatchNorm(CLAPBrain):
    """Takes batch norm as it stands, since ranks on a CPU do not synchronise it."""

    def on_fit_batch_start(self, batch, should_step):
        super().on_fit_batch_start(batch, should_step)
        for module in self.clap.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.eval()


def train(
    clips: list[Clip], case: Case, ranks: int, text_folder: Path
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Trains for one epoch; gives the state before and after of what is trained.

    The joint batch is split evenly over the ranks.
    """
    sys.path.insert(0, str(write_modules(text_folder.with_name("modules"))))
    if case.caption_policy == "all":
        clips = [with_more(clip, place % 3) for place, clip in enumerate(clips)]
    captions = [caption for clip in clips for caption in clip.captions]
    own = f"caption_policy: {case.caption_policy}\n{case.more}"
    config = join(FILES, OVERRIDES + own)
    config, _ = settle_text_tower(config, captions, text_folder)
    hparams = config.build()
    clap = hparams["clap"]
    clap.audio_encoder.bn0.running_mean.fill_(-40.0)  # dB, about those of the clips
    clap.audio_encoder.bn0.running_var.fill_(400.0)
    brain = FixedBatchNorm(
        {"clap": clap},
        SGD,
        hparams,
        {
            "device": "cpu",
            "distributed_backend": "gloo",
            "grad_accumulation_factor": case.factor,
            "noprogressbar": True,
        },
    )
    trained = torch.nn.ModuleDict({"clap": clap, "objective": hparams["objective"]})
    start = copy.deepcopy(trained.state_dict())
    brain.fit(
        [1],
        PairDataset(
            clips,
            clap.sample_rate,
            clap.clip_samples,
            seed=1,
            caption_policy=case.caption_policy,
        ),
        train_loader_kwargs={
            "batch_size": case.joint_batch // ranks,
            "collate_fn": PairCollate(clap.text_encoder.tokenize),
        },
    )
    assert brain.optimizer_step == STEPS
    return start, trained.state_dict()


def with_more(clip: Clip, number: int) -> Clip:
    """A clip with some more captions."""
    more = [f"{clip.captions[0]}, version {count}" for count in range(number)]
    return replace(clip, captions=(*clip.captions, *more))


def main(manifest: str, folder: str) -> None:
    """Trains in each way; each rank writes what it ends with."""
    sb.utils.distributed.ddp_init_group({"distributed_backend": "gloo"})
    rank = torch.distributed.get_rank()
    clips = read_manifest(manifest)
    for name, case in CASES.items():
        _, end = train(clips, case, 2, Path(folder) / f"{rank}" / f"text {name}")
        torch.save(end, Path(folder) / f"{name} {rank}.pt")
    case = Case(8, more="objective: !new:distributed_worker.Guessing")
    _, end = train(clips, case, 2, Path(folder) / f"{rank}" / "text")
    torch.save(end, Path(folder) / f"guessing {rank}.pt")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
