"""The objective of a student, and agreement, against their definitions."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from naive import naive_agreement, similarities

from clap_sb.encoders.projection import (
    MLPProjection,
    TurnedProjection,
    principal_axes,
)
from clap_sb.evaluation.agreement import agreement
from clap_sb.objectives.contract import try_objective
from clap_sb.objectives.distillation import Distillation
from clap_sb.objectives.logit_scale import LogitScale


def unit(rows: int, dim: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(rows, dim, generator=generator), dim=1)


def naive_loss(student, teacher, relation: float) -> float:
    both, rows = similarities(student, teacher), range(len(student))
    own, its = similarities(student, student), similarities(teacher, teacher)
    apart = sum(1 - both[i][i] for i in rows) / len(rows)
    squares = [(own[i][j] - its[i][j]) ** 2 for i in rows for j in rows]
    return apart + relation * sum(squares) / len(squares)


@pytest.mark.parametrize("relation", [0.0, 2.5])
def test_the_loss_is_that_of_its_formula(relation):
    student, teacher = unit(5, 8, 1), unit(5, 8, 2)
    found = Distillation(relation)(student, teacher)
    assert found.item() == pytest.approx(naive_loss(student, teacher, relation))


def test_prefixes_are_learnt_as_embeddings_of_their_own():
    student, teacher = unit(5, 8, 3), unit(5, 8, 4)
    sizes = [2, 4, 8]
    cut = [
        [F.normalize(x[:, :size], dim=1) for x in (student, teacher)] for size in sizes
    ]
    expected = sum(naive_loss(*pair, 1.0) for pair in cut) / len(sizes)
    found = Distillation(prefixes=sizes[:2])(student, teacher)
    assert found.item() == pytest.approx(expected)


def test_it_is_an_objective_as_others_are():
    try_objective(Distillation(prefixes=[3]), LogitScale(), rows=4, joint_dim=8)


def test_what_it_cannot_learn_is_refused():
    with pytest.raises(ValueError, match="0 or more"):
        Distillation(relation=-1.0)
    with pytest.raises(ValueError, match="embeddings of 8 numbers"):
        Distillation(prefixes=[9])(unit(2, 8, 1), unit(2, 8, 2))


@pytest.mark.parametrize("nearest", [1, 3, 10])
def test_agreement_equals_its_slow_twin(nearest):
    rows = unit(9, 6, 5), unit(9, 6, 6), unit(4, 6, 7), unit(4, 6, 8)
    found = agreement(*rows, nearest=nearest)
    expected = naive_agreement(*rows, nearest=min(nearest, 8))
    assert found.scores() == pytest.approx(expected, abs=1e-5)
    for name, (low, high) in found.intervals(seed=1, num_resamples=200).items():
        assert low <= expected[name] + 1e-6 and expected[name] <= high + 1e-6
    assert found.intervals(seed=1).keys() == expected.keys()


def test_other_sounds_cannot_be_compared():
    with pytest.raises(ValueError, match="same sounds to both"):
        agreement(unit(3, 4, 1), unit(2, 4, 1))


def test_turning_changes_no_cosine_and_puts_most_in_front():
    torch.manual_seed(2)
    head = MLPProjection(5, 8)
    turned = TurnedProjection(head, 8, 8)
    x = torch.randn(40, 5)
    before = F.normalize(head(x), dim=1).detach()
    torch.testing.assert_close(turned(x), head(x))  # until it is turned
    turned.axes.copy_(principal_axes(before))
    after = F.normalize(turned(x), dim=1).detach()
    torch.testing.assert_close(after @ after.T, before @ before.T)
    energy = after.square().mean(0)
    assert (energy.diff() <= 1e-6).all() and energy[0] > 2 * energy[-1]
    short = TurnedProjection(head, 8, 3)
    short.axes.copy_(turned.axes[:3])
    torch.testing.assert_close(short(x), turned(x)[:, :3])


def test_more_numbers_than_there_are_cannot_be_kept():
    with pytest.raises(ValueError, match="1 to 8 can be kept, not 9"):
        TurnedProjection(MLPProjection(5, 8), 8, 9)
