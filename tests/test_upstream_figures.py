"""Small models of every list of keys against stored figures of the peers' classes.

``tests/parity/make_figures.py`` computes the figures; ``make parity`` compares
full-size models with the classes themselves.
"""

from __future__ import annotations

import pytest
import torch
from builders import FIXTURES, fixture
from golden import FRONT_ENDS, filled
from peer_inputs import PEERS, noise, our_outputs

from clap_sb.checkpoints.open_checkpoint import open_checkpoint

FIGURES = fixture("upstream.json")


def loaded(name: str, folder):
    """A file of the peer, written with the weights of the figures, as ours."""
    state = filled(FIGURES[name]["shapes"], FRONT_ENDS[name])
    path = folder / "renamed.bin"
    entry = "state_dict" if name.startswith("laion") else "model"
    torch.save({"epoch": 1, entry: state}, path)
    return open_checkpoint(path)


def assert_close(found: torch.Tensor, figure: list, tolerance: float) -> None:
    expected = torch.tensor(figure)
    assert expected.abs().max() > 100 * tolerance, "the test has no power"
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=0)


def test_every_list_of_keys_has_figures():
    lists = {path.stem for path in (FIXTURES / "checkpoint_keys").glob("*.tsv")}
    assert lists | {"panns"} == FIGURES.keys()


@pytest.mark.parametrize("name", PEERS)
def test_a_file_gives_the_embeddings_of_the_peers_class(name, tmp_path):
    figure = FIGURES[name]
    found = our_outputs(PEERS[name], loaded(name, tmp_path).clap)
    assert_close(found["embedding"], figure["embedding"], 1e-4)
    assert_close(found["audio"], figure["audio"], 1e-5)
    assert_close(found["text"], figure["text"], 1e-5)


@torch.no_grad()
def test_a_panns_file_gives_embeddings_and_classes_of_its_class(tmp_path):
    tower = loaded("panns", tmp_path).clap.audio_encoder
    wav = noise(320000, 1)[None]
    assert_close(tower(wav), FIGURES["panns"]["embedding"], 1e-4)
    assert_close(tower.classify(wav).sigmoid(), FIGURES["panns"]["classes"], 1e-4)
