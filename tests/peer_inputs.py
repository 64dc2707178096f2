"""What the peers' models and ours are compared on: models, clips and captions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from clap_sb.fusion_views import chunk_ranges
from clap_sb.model import CLAP

SEED = 7  # of the peer's random chunks
CLIP = 480000  # ten seconds


@dataclass(frozen=True)
class Peer:
    """A model: audio tower, type of feature fusion, type of the text tower."""

    audio: str
    fusion: str | None
    text: str

    @property
    def microsoft(self) -> bool:
        return self.audio.startswith("ms")

    @property
    def sample_rate(self) -> int:
        return 44100 if self.microsoft else 48000

    @property
    def clip_samples(self) -> int:
        return {"ms-Cnn14": 220500, "ms-HTSAT": 308700}.get(self.audio, CLIP)

    @property
    def text_length(self) -> int:
        return 100 if self.audio == "ms-Cnn14" else 77


# by the names of the lists of keys
PEERS = {
    "laion_htsat_tiny_roberta": Peer("tiny", None, "roberta"),
    "laion_htsat_base_roberta": Peer("base", None, "roberta"),
    "laion_htsat_tiny_roberta_aff2d": Peer("tiny", "aff_2d", "roberta"),
    "laion_htsat_tiny_roberta_iaff_2d": Peer("tiny", "iaff_2d", "roberta"),
    "laion_htsat_tiny_roberta_daf_2d": Peer("tiny", "daf_2d", "roberta"),
    "laion_htsat_tiny_roberta_aff_1d": Peer("tiny", "aff_1d", "roberta"),
    "laion_htsat_tiny_roberta_iaff_1d": Peer("tiny", "iaff_1d", "roberta"),
    "laion_htsat_tiny_roberta_daf_1d": Peer("tiny", "daf_1d", "roberta"),
    "laion_htsat_tiny_roberta_channel_map": Peer("tiny", "channel_map", "roberta"),
    "laion_pann14_bert": Peer("Cnn14", None, "bert"),
    "laion_pann14_cliptext_aff2d": Peer("Cnn14", "aff_2d", "transformer"),
    "laion_pann14_bart_aff1d": Peer("Cnn14", "aff_1d", "bart"),
    "msclap_2022": Peer("ms-Cnn14", None, "bert"),
    "msclap_2023": Peer("ms-HTSAT", None, "gpt2"),
}


def noise(num_samples: int, seed: int) -> torch.Tensor:
    """White noise at a fifth of full scale."""
    values = np.random.RandomState(seed).standard_normal(num_samples)
    return torch.from_numpy((0.2 * values).astype(np.float32)).clamp(-1, 1)


def clips_of(peer: Peer) -> list[torch.Tensor]:
    """A clip to be filled up, and a whole window or, with fusion, a long clip."""
    long = peer.clip_samples if peer.fusion is None else 620000
    return [noise(int(0.4 * peer.clip_samples), 1), noise(long, 2)]


def tokens_of(peer: Peer) -> dict[str, torch.Tensor]:
    """Two captions of different lengths as the peer pads them."""
    begin, end, pad = {
        "roberta": ([0], [2], 1),
        "bart": ([0], [2], 1),
        "bert": ([101], [102], 0),
        "transformer": ([118], [119], 0),  # the end has the highest id
        "gpt2": ([], [119], 0),
    }[peer.text]
    captions = [[*begin, 71, 16, 10, 21, 9, 23, *end], [*begin, 55, 31, *end]]
    ids = [row + [pad] * (peer.text_length - len(row)) for row in captions]
    mask = [[1] * len(row) + [0] * (peer.text_length - len(row)) for row in captions]
    return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}


@torch.no_grad()
def our_outputs(peer: Peer, clap: CLAP) -> dict[str, torch.Tensor]:
    """What a model of ours gives for the clips and captions of a peer."""
    clips = clips_of(peer)
    lengths = torch.tensor([len(clip) for clip in clips], dtype=torch.float64)
    wavs = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True)
    if clap.takes_whole_clips:
        _with_peers_chunks(clap, clips)
    heard = clap.audio_encoder(wavs, lengths / wavs.shape[1])
    words = clap.text_encoder(tokens_of(peer))
    return {
        "embedding": heard,
        "audio": F.normalize(clap.audio_projection(heard), dim=1),
        "text": F.normalize(clap.text_projection(words), dim=1),
    }


def _with_peers_chunks(clap: CLAP, clips: list[torch.Tensor]) -> None:
    """Lets the views start where the peer's generator puts them."""
    random, starts = np.random.RandomState(SEED), []
    for clip in clips:
        starts.append([])
        if len(clip) > CLIP:
            ranges = chunk_ranges(len(clip) // 480 + 1, 1001)
            starts[-1] = [int(random.choice(list(part))) for part in ranges]
    views = clap.audio_encoder.fusion_views
    views.forward = partial(type(views).forward, views, starts=starts)
