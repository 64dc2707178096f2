"""What the starter system knows: real sounds, frozen pretrained towers, no hub.

Run from the root of the repository, after ``make starter`` (or the line of pip in
hparams/aisfx_minilm.yaml):

    python benchmarks/starter.py ESC-10

ESC-10 is a folder in ESC-50's layout. Both towers stay frozen, so each clip and each
caption is embedded once; projections are trained on these as ESC-50's recipe trains
them, with the figures of the system's YAML. Printed are

- a linear probe of the audio tower, and of the same one with random weights;
- accuracy by prompt on each fold, by projections that were trained on the others;
- two classes that no projection has heard of, told apart: trained on the other eight,
  over all 45 pairs, beside ridge regression from sound to text;
- sentences with two sounds to mixtures of two held-out recordings.
"""

from __future__ import annotations

import argparse
import copy
import functools
import itertools
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas
import torch
import torch.nn.functional as F
from torch import nn

from clap_sb.config import join, read_yaml
from clap_sb.data.audio import read_wav
from clap_sb.data.templates import listed
from clap_sb.evaluation.bootstrap import bootstrap_interval
from clap_sb.evaluation.linear_probe import linear_probe
from clap_sb.evaluation.prompts import read_descriptions
from clap_sb.evaluation.retrieval import retrieval
from clap_sb.model import CLAP
from clap_sb.objectives.info_nce import InfoNCE
from clap_sb.training.optimization import parameter_groups, warmup_cosine

ROOT = Path(__file__).resolve().parents[1]
SYSTEM = ROOT / "hparams" / "aisfx_minilm.yaml"
RECIPE = ROOT / "recipes" / "ESC-50"
SEED, GRADIENT_NORM = 3407, 5.0
PENALTIES = (100.0, 1000.0, 10000.0)  # of ridge regression


@dataclass(frozen=True)
class Embedded:
    """Clips through a frozen audio tower, captions through a frozen text tower."""

    audio: torch.Tensor  # [clips, dim]
    label: torch.Tensor  # [clips]
    fold: torch.Tensor  # [clips]
    captions: list[torch.Tensor]  # of each class, [captions, dim], the prompt's first
    names: list[str]


def main() -> None:
    """Prints every figure, with the seconds that it took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data_folder", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(SEED)
    hparams = join([SYSTEM]).build()
    wavs, found = embed_all(hparams, arguments.data_folder)
    probe("pretrained", found.audio, found)
    random_tower = join([SYSTEM], "{pretrained_audio: null}").build()["audio_encoder"]
    probe("random weights", embed_audio(random_tower, wavs), found)
    heads = by_prompt(hparams, found)
    unseen_pairs(hparams, found)
    mixtures(hparams, found, wavs, heads)


def told(name: str, since: float, text: str) -> None:
    """Prints a figure."""
    print(f"{name} ({time.monotonic() - since:.0f} s): {text}", flush=True)


# ---------------------------------------------------------------- what is embedded


def embed_all(
    hparams: dict[str, Any], folder: Path
) -> tuple[list[torch.Tensor], Embedded]:
    """Reads and embeds ESC-10, and what the recipe says of its classes."""
    since = time.monotonic()
    table = pandas.read_csv(folder / "meta" / "esc50.csv")
    table = table[table.esc10]
    rate = hparams["sample_rate"]
    wavs = [read_wav(folder / "audio" / name, rate) for name in table.filename]
    audio = embed_audio(hparams["audio_encoder"], wavs)
    names = sorted({listed([category]) for category in table.category})
    label = [names.index(listed([category])) for category in table.category]
    captions = captions_of(names)
    found = Embedded(
        audio,
        torch.tensor(label),
        torch.tensor(table.fold.to_numpy()),
        [embed_text(hparams, captions[name]) for name in names],
        names,
    )
    told("reading and embedding", since, f"{len(wavs)} clips, {len(names)} classes")
    return wavs, found


def captions_of(names: Sequence[str]) -> dict[str, list[str]]:
    """What the recipe trains a class by: its prompt, templates and descriptions."""
    _, recipe, _ = read_yaml(RECIPE / "train.yaml")
    read = read_descriptions(RECIPE / recipe["descriptions"])
    described = {listed([label]): own for label, own in read.items()}
    templates = [recipe["prompt"], *recipe["templates"]]
    return {
        name: [template.format(label=name) for template in dict.fromkeys(templates)]
        + list(described[name])
        for name in names
    }


@torch.no_grad()
def embed_audio(tower: nn.Module, wavs: Sequence[torch.Tensor]) -> torch.Tensor:
    """Whole clips through the tower, ``[clips, dim]``."""
    tower.eval()
    return torch.cat([tower(wav[None]) for wav in wavs])


@torch.no_grad()
def embed_text(hparams: dict[str, Any], captions: list[str]) -> torch.Tensor:
    """Captions through the tower, ``[captions, dim]``."""
    return hparams["text_encoder"].eval()(captions)


# ---------------------------------------------------------------- what is trained


def fit(hparams: dict[str, Any], found: Embedded, rows: torch.Tensor) -> CLAP:
    """Trains fresh projections on some clips, as the recipe would.

    Each epoch draws another caption of each clip; clips of one class are no negatives.
    """
    heads = [copy.deepcopy(hparams[f"{name}_projection"]) for name in ("audio", "text")]
    for part in itertools.chain(*(head.modules() for head in heads)):
        if isinstance(part, nn.Linear):
            part.reset_parameters()
    scale = copy.deepcopy(hparams["logit_scale"])
    clap = CLAP(nn.Identity(), nn.Identity(), *heads, scale)
    rates = [hparams[key] for key in ("lr", "audio_lr", "text_lr", "weight_decay")]
    optimizer = hparams["opt_class"](parameter_groups(clap, *rates), lr=rates[0])
    size, epochs = hparams["batch_size"], hparams["number_of_epochs"]
    steps, objective = max(1, len(rows) // size), InfoNCE()
    for step in range(epochs * steps):
        if step % steps == 0:
            order = rows[torch.randperm(len(rows))]
        batch = order[step % steps * size :][:size]
        factor = warmup_cosine(step, hparams["warmup_steps"], epochs * steps)
        for group in optimizer.param_groups:
            group["lr"] = factor * group["base_lr"]
        drawn = [found.captions[label] for label in found.label[batch].tolist()]
        text = torch.stack([own[torch.randint(len(own), ())] for own in drawn])
        audio = project(clap.audio_projection, found.audio[batch])
        text = project(clap.text_projection, text)
        loss = objective(audio, text, clap.logit_scale, found.label[batch])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(clap.parameters(), GRADIENT_NORM)
        optimizer.step()
    return clap.eval()


def project(head: nn.Module, embedding: torch.Tensor) -> torch.Tensor:
    """Unit vectors of the joint space."""
    return F.normalize(head(embedding), dim=-1)


def prompts(found: Embedded) -> torch.Tensor:
    """Of each class, ``[classes, dim]``."""
    return torch.stack([own[0] for own in found.captions])


class Ridge:
    """The linear map from sound to text that is nearest in squares.

    Both sides are taken from the mean of what was trained on: else the text that is
    nearest to that mean would be every sound's.
    """

    def __init__(self, found: Embedded, rows: torch.Tensor, penalty: float):
        audio = found.audio[rows].double()
        self.mean, self.std = audio.mean(0), audio.std(0) + 1e-6
        means = [F.normalize(own, dim=1).mean(0) for own in found.captions]
        target = torch.stack(means)[found.label[rows]].double()
        self.offset = target.mean(0)
        x = (audio - self.mean) / self.std
        gram = x.T @ x + penalty * torch.eye(x.shape[1], dtype=torch.float64)
        self.map = torch.linalg.solve(gram, x.T @ (target - self.offset))

    def audio(self, embedding: torch.Tensor) -> torch.Tensor:
        """Sounds, in the space of text."""
        return F.normalize((embedding.double() - self.mean) / self.std @ self.map)

    def text(self, embedding: torch.Tensor) -> torch.Tensor:
        """Text, from the same mean."""
        return F.normalize(F.normalize(embedding.double()) - self.offset)


# ---------------------------------------------------------------- what is printed


def probe(name: str, audio: torch.Tensor, found: Embedded) -> None:
    """Logistic regression on frozen embeddings, fold by fold."""
    since = time.monotonic()
    result = linear_probe(audio, found.label, found.fold, len(found.names))
    told(f"linear probe, {name}", since, f"{result.mean:.2f} % +- {result.std:.2f}")


def by_prompt(hparams: dict[str, Any], found: Embedded) -> dict[int, CLAP]:
    """Each fold by projections of the others; the projections."""
    since, heads, right = time.monotonic(), {}, torch.zeros(len(found.label))
    for fold in found.fold.unique().tolist():
        heads[fold] = fit(hparams, found, (found.fold != fold).nonzero().flatten())
        held = found.fold == fold
        right[held] = is_right(heads[fold], found, held, range(len(found.names)))
    each = [100 * right[found.fold == fold].mean().item() for fold in heads]
    numbers = torch.tensor(each)
    folds = ", ".join(f"{accuracy:.2f}" for accuracy in each)
    text = f"{numbers.mean():.2f} % +- {numbers.std():.2f} ({folds}; {interval(right)})"
    told("accuracy by prompt", since, text)
    return heads


@torch.no_grad()
def is_right(
    clap: CLAP, found: Embedded, held: torch.Tensor, classes: Sequence[int]
) -> torch.Tensor:
    """Which clips get their own class among some, ``[clips]``, 0 or 1."""
    text = project(clap.text_projection, prompts(found)[list(classes)])
    audio = project(clap.audio_projection, found.audio[held])
    named = torch.tensor(list(classes))[(audio @ text.T).argmax(1)]
    return (named == found.label[held]).float()


def unseen_pairs(hparams: dict[str, Any], found: Embedded) -> None:
    """Two classes that were never trained on, told apart, all pairs."""
    since = time.monotonic()
    hits: dict[str, torch.Tensor] = defaultdict(lambda: torch.zeros(len(found.label)))
    each: dict[str, list[float]] = defaultdict(list)
    for pair in itertools.combinations(range(len(found.names)), 2):
        held = torch.isin(found.label, torch.tensor(pair))
        rows = (~held).nonzero().flatten()
        right = {"projections": is_right(fit(hparams, found, rows), found, held, pair)}
        for penalty in PENALTIES:
            ridge = Ridge(found, rows, penalty)
            audio, text = ridge.audio(found.audio[held]), ridge.text(prompts(found))
            named = torch.tensor(pair)[(audio @ text[list(pair)].T).argmax(1)]
            name = f"ridge, penalty {penalty:g}"
            right[name] = (named == found.label[held]).float()
        for name, answers in right.items():
            hits[name][held] += answers / (len(found.names) - 1)
            each[name].append(100 * answers.mean().item())
    for name, scores in each.items():
        mean = f"{sum(scores) / len(scores):.2f} % {interval(hits[name])}"
        worst = f"pairs {min(scores):.1f} to {max(scores):.1f}, chance 50"
        told(f"two unseen classes, {name}", since, f"{mean} ({worst})")


def interval(right: torch.Tensor) -> str:
    """The 95 % interval of a mean over clips, in percent."""
    low, high = bootstrap_interval(right, torch.ones(len(right)), SEED)
    return f"[{100 * low:.2f}, {100 * high:.2f}]"


def mixtures(
    hparams: dict[str, Any],
    found: Embedded,
    wavs: Sequence[torch.Tensor],
    heads: dict[int, CLAP],
) -> None:
    """Sentences of two classes to mixtures of two held-out clips, fold by fold."""
    since, draw = time.monotonic(), random.Random(SEED)
    pairs = list(itertools.combinations(range(len(found.names)), 2))
    _, recipe, _ = read_yaml(RECIPE / "train.yaml")
    sentences = [
        recipe["prompt"].format(label=listed([found.names[one] for one in pair]))
        for pair in pairs
    ]
    text = embed_text(hparams, sentences)
    scores = []
    for fold, clap in heads.items():
        held = found.fold == fold
        mixed = [
            functools.reduce(
                mix,
                [
                    wavs[
                        draw.choice((held & (found.label == one)).nonzero().tolist())[0]
                    ]
                    for one in pair
                ],
            )
            for pair in pairs
        ]
        audio = embed_audio(hparams["audio_encoder"], mixed)
        with torch.no_grad():
            found_text = project(clap.text_projection, text)
            found_audio = project(clap.audio_projection, audio)
        ranks = retrieval(found_audio, found_text, torch.arange(len(pairs)))
        scores.append(ranks.scores())
    keys = ("t2a_recall_at_1", "t2a_recall_at_5", "t2a_map_at_10")
    means = [sum(score[key] for score in scores) / len(scores) for key in keys]
    named = ", ".join(
        f"{key} {mean:.2f}" for key, mean in zip(keys, means, strict=True)
    )
    chance = f"pool of {len(pairs)}, chance R@1 {100 / len(pairs):.1f}"
    told("sentences to mixtures", since, f"{named} ({chance})")


def mix(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Two sounds at the same level, as long as the longer one."""
    size = max(len(one), len(other))
    parts = [F.pad(wav, (0, size - len(wav))) for wav in (one, other)]
    levels = [part.square().mean().sqrt().clamp(min=1e-6) for part in parts]
    mixed = sum(part / level for part, level in zip(parts, levels, strict=True))
    return 0.7 * mixed / mixed.abs().max()


if __name__ == "__main__":
    main()
