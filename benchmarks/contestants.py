"""The models that ``benchmarks/against_peers.py`` holds against each other.

All are made of one file of weights, as LAION's or Microsoft's code writes it, and are
given the same clips, captions and files. Each works as its own package does: LAION's
trainer pads captions to 77 tokens, its front end is two convolutions; transformers has
a front end of NumPy; the optimizers are those that each is trained with.
"""

from __future__ import annotations

import json
import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib import metadata, util
from pathlib import Path

import numpy as np
import soundfile
import torch
import torch.nn.functional as F
from torch import nn

from clap_sb.checkpoints.open_checkpoint import open_checkpoint
from clap_sb.checkpoints.transformers_folder import write_transformers_folder
from clap_sb.inference.encoder import Encoder
from clap_sb.objectives.info_nce import InfoNCE

TESTS = Path(__file__).resolve().parents[1] / "tests"
LAION, MICROSOFT = "laion_htsat_tiny_roberta", "msclap_2023"
WEIGHTS, FOR_TRANSFORMERS = "weights.bin", "transformers"
LAIONS_TOKENS = 77
_PADDING = {LAION: 1, MICROSOFT: 0}

Tokens = dict[str, torch.Tensor]


def write_weights(kind: str, small: bool, folder: Path) -> None:
    """Writes the weights of all contestants: drawn by name, so large that all matters.

    Arguments
    ---------
    kind : str
        ``LAION`` or ``MICROSOFT``.
    small : bool
        The same parts in fewer blocks and channels, for a test.
    folder : Path
        Receives the file, and a folder for transformers where it has such a model.
    """
    sys.path.insert(0, str(TESTS))
    from builders import fixture
    from golden import FRONT_ENDS, filled

    if small:
        shapes = fixture("upstream.json")[kind]["shapes"]
    else:
        table = TESTS / "fixtures" / "checkpoint_keys" / f"{kind}.tsv"
        rows = table.read_text(encoding="utf-8").splitlines()
        shapes = {
            key: json.loads(f"[{shape.strip('(),')}]")
            for key, shape, *_ in (row.split("\t") for row in rows)
        }
    state = filled(shapes, FRONT_ENDS[kind])
    entry = "state_dict" if kind == LAION else "model"
    torch.save({"epoch": 1, entry: state}, folder / WEIGHTS)
    if kind == LAION:
        write_transformers_folder(
            open_checkpoint(folder / WEIGHTS), folder / FOR_TRANSFORMERS
        )


class Contestant(ABC):
    """A model and what is done with it.

    Arguments
    ---------
    kind : str
        Whose weights.
    small : bool
        As :func:`write_weights`.
    folder : Path
        What that wrote.
    device : torch.device
        Where the model goes.
    """

    package: str
    fused = True

    def __init__(self, kind: str, small: bool, folder: Path, device: torch.device):
        self.kind, self.small, self.folder, self.device = kind, small, folder, device
        self.model: nn.Module = self._load().to(device).eval()
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=1e-5, fused=self.fused
        )

    @classmethod
    def version(cls) -> str | None:
        """Of its package; None where it is not installed."""
        if util.find_spec(cls.package) is None:
            return None
        return metadata.version(cls.package)

    @abstractmethod
    def _load(self) -> nn.Module: ...

    @abstractmethod
    def front_end(self, wavs: torch.Tensor) -> torch.Tensor:
        """Log-mels of clips, ``[batch, time]``."""

    @abstractmethod
    def audio(self, wavs: torch.Tensor) -> torch.Tensor:
        """Embeddings of clips, unit norm."""

    @abstractmethod
    def text(self, tokens: Tokens) -> torch.Tensor:
        """Embeddings of captions, unit norm."""

    @abstractmethod
    def scale(self) -> torch.Tensor:
        """What logits are similarities times."""

    def files(self, paths: Sequence[Path]) -> torch.Tensor:
        """Embeddings of sound files: read, and embedded in one batch."""
        wavs = [soundfile.read(path, dtype="float32")[0] for path in paths]
        return self.audio(torch.from_numpy(np.stack(wavs)).to(self.device))

    def loss(self, wavs: torch.Tensor, tokens: Tokens) -> torch.Tensor:
        """The contrastive loss of a batch, both ways."""
        logits = self.scale() * self.audio(wavs).float() @ self.text(tokens).float().T
        target = torch.arange(len(logits), device=logits.device)
        return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2

    def clip(self) -> None:
        """Limits the gradients, where its trainer does."""
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)

    def step(self, wavs: torch.Tensor, tokens: Tokens, autocast) -> torch.Tensor:
        """A step of training; the forward pass under ``autocast``."""
        self.model.train()
        with autocast:
            loss = self.loss(wavs, tokens)
        loss.backward()
        self.clip()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.model.eval()
        return loss.detach()

    def compiled(self) -> None:
        """Compiles both towers."""
        self.audio = torch.compile(self.audio)
        self.text = torch.compile(self.text, dynamic=True)


class Ours(Contestant):
    """clap_sb."""

    package = "clap_sb"

    def _load(self) -> nn.Module:
        self.objective = InfoNCE()
        return open_checkpoint(self.folder / WEIGHTS).clap

    def front_end(self, wavs):
        return self.model.audio_encoder.log_mel(wavs)

    def audio(self, wavs):
        return self.model.encode_audio(wavs)

    def text(self, tokens):
        return self.model.encode_text(tokens)

    def scale(self):
        return self.model.logit_scale.scale()

    def files(self, paths):
        # its towers' precision is its own, and no autocast's around it
        half = torch.is_autocast_enabled(self.device.type)
        precision = "bf16" if half else "fp32"
        encoder = Encoder(self.model, freeze_params=False, precision=precision)
        return encoder.embed_files([str(path) for path in paths], len(paths))

    def loss(self, wavs, tokens):
        audio, text = self.model(wavs, None, tokens)
        keys = torch.arange(len(audio), device=audio.device)
        with torch.autocast(audio.device.type, enabled=False):
            return self.objective(audio, text, self.model.logit_scale, keys, keys)

    def clip(self):
        nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)

    def compiled(self):
        encoder = self.model.audio_encoder
        encoder.embed_log_mel = torch.compile(encoder.embed_log_mel)
        text = self.model.text_encoder
        text.encode = torch.compile(text.encode, dynamic=True)


class _Peer(Contestant):
    """A peer's own class, built by ``tests/peers.py`` from its wheel's modules."""

    fused = False

    def _load(self) -> nn.Module:
        sys.path.insert(0, str(TESTS))
        import peers
        from golden import CONSTANTS

        model = peers.build(self.kind, self.small)
        state = torch.load(self.folder / WEIGHTS)
        state = state["state_dict" if self.kind == LAION else "model"]
        own = model.state_dict()
        constants = {
            k: v for k, v in own.items() if any(part in k for part in CONSTANTS)
        }
        model.load_state_dict(state | constants, strict=True)
        return model

    def padded(self, tokens: Tokens) -> Tokens:
        """As many tokens as its trainer gives each caption."""
        missing = (0, LAIONS_TOKENS - tokens["input_ids"].shape[1])
        fill = {"input_ids": _PADDING[self.kind]}
        return {k: F.pad(v, missing, value=fill.get(k, 0)) for k, v in tokens.items()}

    def clip(self):
        """None of them does."""


class Laion(_Peer):
    """laion_clap, without its loader."""

    package = "laion_clap"

    def front_end(self, wavs):
        branch = self.model.audio_branch
        return branch.logmel_extractor(branch.spectrogram_extractor(wavs))

    def audio(self, wavs):
        heard = self.model.audio_branch({"waveform": wavs}, device=self.device)
        return F.normalize(self.model.audio_projection(heard["embedding"]), dim=-1)

    def text(self, tokens):
        words = self.model.encode_text(self.padded(tokens), device=self.device)
        return F.normalize(words, dim=-1)

    def scale(self):
        return self.model.logit_scale_a.exp()

    def step(self, wavs, tokens, autocast):
        loss = super().step(wavs, tokens, autocast)
        with torch.no_grad():
            self.model.logit_scale_a.clamp_(0, math.log(100))
        return loss


class Transformers(Contestant):
    """transformers' ClapModel with its feature extractor."""

    package = "transformers"

    def _load(self) -> nn.Module:
        from transformers import ClapFeatureExtractor, ClapModel

        folder = self.folder / FOR_TRANSFORMERS
        self.extractor = ClapFeatureExtractor.from_pretrained(folder)
        return ClapModel.from_pretrained(folder)

    def front_end(self, wavs):
        rate = self.extractor.sampling_rate
        heard = self.extractor(
            list(wavs.cpu().numpy()), sampling_rate=rate, return_tensors="pt"
        )
        return heard["input_features"].to(self.device)

    def audio(self, wavs):
        features = self.front_end(wavs)
        return self.model.get_audio_features(input_features=features).pooler_output

    def text(self, tokens):
        return self.model.get_text_features(**tokens).pooler_output

    def scale(self):
        return self.model.logit_scale_a.exp()


class Microsoft(_Peer):
    """msclap 2023, without its loader."""

    package = "msclap"

    def front_end(self, wavs):
        branch = self.model.audio_encoder.base.htsat
        return branch.logmel_extractor(branch.spectrogram_extractor(wavs))

    def audio(self, wavs):
        encoder = self.model.audio_encoder
        return F.normalize(encoder.projection(encoder.base(wavs)["embedding"]), dim=-1)

    def text(self, tokens):
        return F.normalize(self.model.caption_encoder(self.padded(tokens)), dim=-1)

    def scale(self):
        return self.model.logit_scale.exp()


PEERS: dict[str, tuple[type[Contestant], ...]] = {
    LAION: (Laion, Transformers),
    MICROSOFT: (Microsoft,),
}


def load(name: str, *given) -> Contestant:
    """Builds a contestant by its package's name."""
    classes = {c.package: c for group in PEERS.values() for c in group}
    return {**classes, Ours.package: Ours}[name](*given)
