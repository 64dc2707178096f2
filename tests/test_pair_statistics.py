"""What a user watches, against a loop over the pairs."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from clap_sb.training.epochs import PairStatistics


def naive(audio, text, ignored) -> tuple[float, float, float]:
    size = len(audio)
    matching, others, right = [], [], 0
    for i in range(size):
        matching.append(float(audio[i] @ text[i]))
        allowed = [j for j in range(size) if j == i or not ignored[i][j]]
        others += [float(audio[i] @ text[j]) for j in allowed if j != i]
        right += all(float(audio[i] @ text[j]) <= matching[i] for j in allowed)
        right += all(float(audio[j] @ text[i]) <= matching[i] for j in allowed)
    mean_other = sum(others) / max(1, len(others))
    return sum(matching) / size, mean_other, 100 * right / (2 * size)


def batch(size: int, seed: int, masked: bool):
    generator = torch.Generator().manual_seed(seed)
    audio = normalize(torch.randn(size, 4, generator=generator), dim=1)
    text = normalize(audio + 0.7 * torch.randn(size, 4, generator=generator), dim=1)
    keys = torch.randint(0, size if masked else 10**9, (size,), generator=generator)
    ignored = keys[:, None] == keys[None, :]
    return audio, text, ignored.fill_diagonal_(False)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("size", [1, 2, 7, 16])
def test_a_batch_equals_a_loop(size, masked):
    audio, text, ignored = batch(size, seed=size, masked=masked)
    statistics = PairStatistics()
    statistics.update(audio, text, ignored if masked else None)
    expected = naive(audio, text, ignored.tolist())
    assert list(statistics.summary().values()) == pytest.approx(expected, abs=1e-5)


def test_a_more_similar_pair_that_is_ignored_does_not_count_as_an_error():
    audio = torch.eye(3)
    text = normalize(torch.tensor([[1.0, 0.5, 0], [1.0, 0.2, 0], [0, 0, 1.0]]), dim=1)
    ignored = torch.zeros(3, 3, dtype=torch.bool)
    ignored[0, 1] = ignored[1, 0] = True
    for mask, accuracy in ((ignored, 100.0), (None, 100.0 * 3 / 6)):
        statistics = PairStatistics()
        statistics.update(audio, text, mask)
        assert statistics.summary()["in_batch_accuracy"] == pytest.approx(accuracy)


def test_means_over_batches_and_a_reset():
    statistics = PairStatistics()
    assert statistics.summary() == {}
    rows = []
    for seed in range(3):
        audio, text, ignored = batch(8, seed, masked=True)
        statistics.update(audio, text, ignored)
        rows.append(naive(audio, text, ignored.tolist()))
    expected = [sum(column) / 3 for column in zip(*rows, strict=True)]
    assert list(statistics.summary().values()) == pytest.approx(expected, abs=1e-5)
    statistics.reset()
    assert statistics.summary() == {}


def test_a_collapsed_model_is_not_called_right():
    same = torch.ones(10, 4) / 2
    statistics = PairStatistics()
    statistics.update(same, same, None)
    assert statistics.summary()["in_batch_accuracy"] == pytest.approx(10.0)


def test_an_interrupted_epoch_goes_on(tmp_path):
    whole, first = PairStatistics(), PairStatistics()
    for seed in range(4):
        whole.update(*batch(6, seed, masked=True))
    for seed in range(2):
        first.update(*batch(6, seed, masked=True))
    first.save(tmp_path / "statistics")
    resumed = PairStatistics()
    resumed.load(tmp_path / "statistics", end_of_epoch=False)
    for seed in range(2, 4):
        resumed.update(*batch(6, seed, masked=True))
    assert resumed.summary() == whole.summary()
    fresh = PairStatistics()
    fresh.load(tmp_path / "statistics", end_of_epoch=True)
    assert fresh.summary() == {}


def test_no_graph_is_kept():
    audio, text, _ = batch(4, 0, masked=False)
    statistics = PairStatistics()
    statistics.update(audio.requires_grad_(), text, None)
    assert not statistics._sums.requires_grad
