"""Linear probe: the optimum it must find, and what it must not look at."""

from __future__ import annotations

import pytest
import torch

from clap_sb.evaluation.linear_probe import fit_logistic_regression, linear_probe


def clouds(num_clips, num_classes, dim, spread, seed=0):
    """Points around class centres, with labels and five folds."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(num_clips) % num_classes
    centres = torch.randn(num_classes, dim, generator=generator)
    noise = spread * torch.randn(num_clips, dim, generator=generator)
    folds = torch.randperm(num_clips, generator=generator) % 5 + 1
    return centres[labels] + noise, labels, folds


def naive_gradient(features, labels, weight, bias, l2):
    """Gradient of the penalised loss, clip by clip."""
    num_clips = len(features)
    for_weight, for_bias = l2 * weight, torch.zeros_like(bias)
    for row, label in zip(features, labels.tolist(), strict=True):
        error = (weight @ row + bias).softmax(0)
        error[label] -= 1
        for_weight = for_weight + error[:, None] * row / num_clips
        for_bias = for_bias + error / num_clips
    return for_weight, for_bias


@pytest.mark.parametrize(
    ("num_classes", "dim", "l2"), [(2, 1, 1), (3, 4, 0.1), (5, 20, 1e-4)]
)
def test_the_fit_is_the_optimum(num_classes, dim, l2):
    features, labels, _ = clouds(60, num_classes, dim, spread=1.0)
    features = features.double()
    weight, bias = fit_logistic_regression(features, labels, num_classes, l2)
    assert weight.abs().max() > 0.01
    for gradient in naive_gradient(features, labels, weight, bias, l2):
        assert gradient.abs().max() < 1e-5


def by_hand(embedding, labels, folds, num_classes, penalties):
    """The protocol, loop by loop: accuracy and penalty of each fold."""

    def share_right(train, test, l2):
        mean, scale = embedding[train].mean(0), embedding[train].std(0, correction=0)
        features = (embedding - mean) / scale
        fit = fit_logistic_regression(features[train], labels[train], num_classes, l2)
        return ((features[test] @ fit[0].T + fit[1]).argmax(1) == labels[test]).sum()

    accuracies, chosen = {}, {}
    for test in sorted(set(folds.tolist())):
        right = dict.fromkeys(sorted(penalties, reverse=True), 0)
        for valid in sorted(set(folds.tolist()) - {test}):
            train = (folds != test) & (folds != valid)
            for l2 in right:
                right[l2] += int(share_right(train, folds == valid, l2))
        chosen[test] = max(right, key=right.get)
        number = share_right(folds != test, folds == test, chosen[test])
        accuracies[test] = 100 * int(number) / int((folds == test).sum())
    return accuracies, chosen


def test_folds_and_penalties_are_those_of_the_protocol():
    embedding, labels, folds = clouds(80, 4, 6, spread=1.5)
    penalties = (0.001, 1.0, 0.03)
    result = linear_probe(embedding, labels, folds, 4, penalties)
    accuracies, chosen = by_hand(embedding.double(), labels, folds, 4, penalties)
    assert result.fold_accuracies == pytest.approx(accuracies)
    assert result.fold_l2 == chosen
    assert len(set(chosen.values())) > 1  # the choice is one
    right = (result.predictions == labels).double()
    assert 100 * right[folds == 2].mean().item() == pytest.approx(accuracies[2])


def test_the_held_out_fold_is_not_looked_at():
    embedding, labels, folds = clouds(60, 3, 5, spread=1.5)
    shuffled = labels.clone()
    held = (folds == 4).nonzero().flatten()
    shuffled[held] = labels[held].roll(1)
    first = linear_probe(embedding, labels, folds, 3, (0.1, 0.001))
    second = linear_probe(embedding, shuffled, folds, 3, (0.1, 0.001))
    assert first.fold_l2[4] == second.fold_l2[4]
    assert torch.equal(first.predictions[held], second.predictions[held])
    assert first.fold_accuracies[4] != second.fold_accuracies[4]


def test_it_is_the_same_every_time_and_whatever_the_scale():
    embedding, labels, folds = clouds(60, 3, 5, spread=1.0)
    first = linear_probe(embedding, labels, folds, 3)
    torch.manual_seed(12345)
    again = linear_probe(embedding, labels, folds, 3)
    assert first.fold_accuracies == again.fold_accuracies
    larger = linear_probe(1000 * embedding + 7, labels, folds, 3)
    assert torch.equal(first.predictions, larger.predictions)


def test_a_constant_dimension_does_not_matter():
    embedding, labels, folds = clouds(60, 3, 5, spread=1.0)
    constant = torch.cat([embedding, torch.full((60, 1), 3.0)], dim=1)
    first = linear_probe(embedding, labels, folds, 3)
    assert torch.equal(
        first.predictions, linear_probe(constant, labels, folds, 3).predictions
    )


def test_mean_and_deviation():
    embedding, labels, folds = clouds(60, 3, 5, spread=2.0)
    result = linear_probe(embedding, labels, folds, 3, (0.1,))
    values = torch.tensor(list(result.fold_accuracies.values()), dtype=torch.float64)
    assert list(result.fold_accuracies) == [1, 2, 3, 4, 5]
    assert result.mean == pytest.approx(values.mean().item())
    assert result.std == pytest.approx(values.std().item())
    assert result.std > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embedding": torch.full((6, 2), torch.nan)}, "expected finite numbers"),
        ({"labels": torch.zeros(6)}, "labels: expected 6 integers"),
        ({"labels": torch.full((6,), 2)}, "labels: must be from 0 to 1"),
        ({"folds": torch.arange(5)}, "folds: expected 6 integers"),
        ({"folds": torch.arange(6) % 2}, "folds: 2 are too few.*needs 3"),
        ({"folds": torch.zeros(6, dtype=torch.int64), "l2": (1.0,)}, "needs 2"),
        ({"l2": (0.0, 1.0)}, "l2: expected positive"),
        ({"l2": ()}, "l2: expected positive"),
    ],
    ids=str,
)
def test_what_it_says_of_a_mistake(change, message):
    arguments = {
        "embedding": torch.eye(6)[:, :2],
        "labels": torch.arange(6) % 2,
        "folds": torch.arange(6) % 3,
        "num_classes": 2,
    }
    with pytest.raises(ValueError, match=message):
        linear_probe(**{**arguments, **change})
