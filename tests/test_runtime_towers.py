"""Every kind of tower through every runtime; ``make recipes`` runs it."""

from __future__ import annotations

import pytest
import torch
from builders import amplify, tiny_htsat, tiny_log_mel, tiny_text, write_text_source

from clap_sb.encoders.aisfx import AISFX
from clap_sb.encoders.clip_text import ClipTextTransformer
from clap_sb.encoders.cnn14 import CNN14
from clap_sb.encoders.essentia_log_mel import EssentiaLogMel
from clap_sb.encoders.fusion import FUSIONS
from clap_sb.encoders.text import TransformersText
from clap_sb.runtimes.choice import OTHERS
from clap_sb.runtimes.compiled import compiled, largest_difference
from clap_sb.runtimes.graph_cache import VARIABLE
from clap_sb.runtimes.tower_graph import TokensGraph, audio_graph


def cnn14(**options) -> CNN14:
    return CNN14(tiny_log_mel(), clip_samples=20000, channels=[4, 8, 16], **options)


def bert(folder) -> TransformersText:
    write_text_source(folder, model_type="bert", pad_token_id=0)
    return TransformersText(folder, pretrained=False, pooling="cls")


def clip_text(folder) -> ClipTextTransformer:
    write_text_source(folder)
    return ClipTextTransformer(folder, width=16, depth=2, num_heads=2)


TOWERS = {
    "HTSAT": lambda folder: tiny_htsat(),
    "HTSAT, stem": lambda folder: tiny_htsat(stem_channels=[4, 8]),
    **{f"HTSAT, {f}": lambda folder, f=f: tiny_htsat(fusion=f) for f in FUSIONS},
    "CNN14": lambda folder: cnn14(),
    "CNN14, aff_2d": lambda folder: cnn14(fusion="aff_2d"),
    "AISFX": lambda folder: AISFX(EssentiaLogMel(), channels=[4, 8, 8, 16]),
    "RoBERTa": tiny_text,
    "RoBERTa, mean_padded": lambda folder: tiny_text(folder, pooling="mean_padded"),
    "BERT": bert,
    "CLIP's text": clip_text,
}


@pytest.mark.full_size
@pytest.mark.parametrize("runtime", list(OTHERS))
@pytest.mark.parametrize("name", list(TOWERS))
def test_a_tower_is_the_same(name, runtime, tmp_path, monkeypatch):
    for package in OTHERS[runtime]:
        pytest.importorskip(package)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    tower = amplify(TOWERS[name](tmp_path)).eval()
    is_text = hasattr(tower, "tokenize")
    graph = TokensGraph(tower).eval() if is_text else audio_graph(tower)
    engine = compiled(graph, runtime, "fp32", lambda line: None)
    for example in graph.examples():
        for count in (1, 3, 8):
            inputs = [
                value.repeat(8, *[1] * (value.dim() - 1))[:count]
                for value in example.values()
            ]
            with torch.no_grad():
                expected = graph.computed(inputs)
            assert largest_difference(engine(inputs), expected) < 1e-5
