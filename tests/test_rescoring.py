"""Corrections for hubs, against naive ones, and what a bank may hold."""

from __future__ import annotations

import math

import pytest
import torch

from clap_sb.data.manifest import Clip
from clap_sb.evaluation.query_bank import QueryBank
from clap_sb.evaluation.ranked_matrix import rank_matrix
from clap_sb.evaluation.rescoring import METHODS, described, rescore


def similarities(queries: int, items: int, bank: int, seed: int):
    generator = torch.Generator().manual_seed(seed)
    draw = torch.rand(queries + bank, items, generator=generator) * 2 - 1
    draw[:, 0] = 0.5 + 0.5 * draw[:, 0]  # a hub
    return draw[:queries], draw[queries:]


def naive_inverted_softmax(similarity, bank, temperature):
    return [
        [
            math.exp(value / temperature)
            / sum(math.exp(row[item] / temperature) for row in bank)
            for item, value in enumerate(query)
        ]
        for query in similarity
    ]


def naive_qb_norm(similarity, bank, temperature, top_k):
    activated = set()
    for row in bank:
        activated |= set(sorted(range(len(row)), key=lambda j: -row[j])[:top_k])
    corrected = naive_inverted_softmax(similarity, bank, temperature)
    rows = []
    for query, row in zip(similarity, corrected, strict=True):
        rows.append(row if query.index(max(query)) in activated else query)
    return rows


def naive_nnn(similarity, bank, neighbours, weight):
    bias = []
    for item in range(len(similarity[0])):
        nearest = sorted((row[item] for row in bank), reverse=True)[:neighbours]
        bias.append(weight * sum(nearest) / neighbours)
    return [[s - b for s, b in zip(query, bias, strict=True)] for query in similarity]


def orders(rows):
    return [sorted(range(len(row)), key=lambda j: -row[j]) for row in rows]


SIZES = [(1, 2, 1), (5, 7, 3), (9, 30, 40)]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("temperature", [0.02, 0.05, 1.0])
def test_inverted_softmax(sizes, temperature):
    similarity, bank = similarities(*sizes, seed=1)
    found = rescore(similarity, bank, "inverted_softmax", temperature=temperature)
    naive = naive_inverted_softmax(similarity.tolist(), bank.tolist(), temperature)
    expected = temperature * torch.tensor(naive, dtype=torch.float64).log()
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)
    assert orders(found.tolist()) == orders(naive)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("top_k", [1, 3, 100])
def test_qb_norm(sizes, top_k):
    similarity, bank = similarities(*sizes, seed=2)
    found = rescore(similarity, bank, "qb_norm", temperature=0.1, top_k=top_k)
    naive = naive_qb_norm(similarity.tolist(), bank.tolist(), 0.1, top_k)
    assert orders(found.tolist()) == orders(naive)


def test_qb_norm_leaves_some_queries_alone():
    similarity, bank = similarities(40, 30, 3, seed=3)
    found = rescore(similarity, bank, "qb_norm")
    same = (found == similarity.double()).all(1)
    assert 0 < same.sum() < 40


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("weight", [0.25, 0.75, 2.0])
def test_nnn(sizes, weight):
    similarity, bank = similarities(*sizes, seed=4)
    for neighbours in {1, len(bank) // 2 + 1, len(bank)}:
        numbers = {"neighbours": neighbours, "weight": weight}
        found = rescore(similarity, bank, "nnn", **numbers)
        naive = naive_nnn(similarity.tolist(), bank.tolist(), **numbers)
        expected = torch.tensor(naive, dtype=torch.float64)
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("method", list(METHODS))
def test_a_hub_is_taken_back(method):
    """An item that is close to everything takes the place of the right ones."""
    generator = torch.Generator().manual_seed(6)
    queries = 0.4 * torch.rand(50, 20, generator=generator)
    owner = torch.arange(50) % 20
    queries[torch.arange(50), owner] += 0.5
    bank = 0.4 * torch.rand(200, 20, generator=generator)
    for matrix in (queries, bank):
        matrix[:, 3] += 0.6
    before = rank_matrix(queries, owner).scores()
    after = rank_matrix(rescore(queries, bank, method), owner).scores()
    assert after["t2a_recall_at_1"] > before["t2a_recall_at_1"] + 30


@pytest.mark.parametrize("method", list(METHODS))
def test_each_query_is_answered_by_itself(method):
    """The other queries of the test change nothing: they are no bank."""
    similarity, bank = similarities(9, 12, 150, seed=7)
    together = rescore(similarity, bank, method)
    alone = torch.cat([rescore(row[None], bank, method) for row in similarity])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize(
    ("method", "numbers", "message"),
    [
        ("softmax", {}, "one of inverted_softmax, qb_norm, nnn, not 'softmax'"),
        ("nnn", {"temperature": 1}, "no parameter temperature; it has neighbours, w"),
        ("nnn", {}, "neighbours=128 is more than the 3 queries"),
        ("nnn", {"neighbours": 0}, "neighbours=0 must be positive"),
        ("inverted_softmax", {"temperature": 0.0}, "temperature=0.0 must be positive"),
        ("qb_norm", {"top_k": 0}, "top_k=0 must be positive"),
    ],
    ids=str,
)
def test_what_it_says_of_a_mistake(method, numbers, message):
    similarity, bank = similarities(2, 4, 3, seed=0)
    with pytest.raises(ValueError, match=message):
        rescore(similarity, bank, method, **numbers)


def test_a_bank_of_other_items_is_refused():
    similarity, bank = similarities(2, 4, 3, seed=0)
    for wrong in (bank[:, :3], bank[:0], bank[0]):
        with pytest.raises(ValueError, match=r"\[bank, 4\]"):
            rescore(similarity, wrong, "qb_norm")


def test_the_card_names_all_numbers():
    told = described("qb_norm", {"temperature": 0.5})
    assert told == "qb_norm (temperature 0.5, top_k 1)"


# ------------------------------------------------------------------ the bank


def clips(*captions: tuple[str, ...], name: str = "train") -> list[Clip]:
    return [
        Clip(f"{name}{i}", f"{name}{i}.wav", 1.0, texts)
        for i, texts in enumerate(captions)
    ]


def test_a_bank_is_drawn_from_the_training_clips():
    training = clips(*((f"caption {i}",) for i in range(30)))
    test = clips(("rain",), name="test")
    bank = QueryBank.draw(training, test, 10, seed=1)
    assert len(bank.clips) == 10 and set(bank.clips) <= set(training)
    assert (bank.num_shared, bank.num_equal) == (0, 0)
    assert bank == QueryBank.draw(training, test, 10, seed=1)
    assert bank != QueryBank.draw(training, test, 10, seed=2)
    assert QueryBank.draw(training, test, 100, seed=1).clips == training


def test_no_query_of_the_test_is_in_the_bank():
    training = clips(("A dog  barks.", "rain"), ("a DOG barks",), ("x",))
    test = clips(("a dog barks",), name="test")
    bank = QueryBank.draw(training, test, 9, seed=0)
    assert [clip.captions for clip in bank.clips] == [("rain",), ("x",)]
    assert bank.captions == ["rain", "x"]
    assert bank.num_equal == 2


def test_no_recording_of_the_test_is_in_the_bank():
    training = [
        *clips(("a",), ("b",)),
        Clip("cut", "cut.wav", 1.0, ("c",), source="freesound:7"),
    ]
    same_file = Clip("other", training[0].path, 1.0, ("d",))
    same_source = Clip("longer", "longer.wav", 9.0, ("e",), source="freesound:7")
    bank = QueryBank.draw(training, [same_file, same_source], 9, seed=0)
    assert bank.clips == [training[1]]
    assert bank.num_shared == 2
    assert "2 training clips whose recording is in the test" in bank.describe()


def test_other_sounds_of_one_name_stay_in_the_bank():
    training = clips(("a",), ("b",))
    namesake = Clip(training[0].id, "elsewhere/train0.wav", 1.0, ("c",))
    bank = QueryBank.draw(training, [namesake], 9, seed=0)
    assert (bank.clips, bank.num_shared) == (training, 0)


def test_a_bank_of_which_nothing_is_left():
    training, test = clips(("c.",), ("d",)), clips(("c",), name="test")
    with pytest.raises(ValueError, match="empty: of 2 training clips, 1 are record"):
        QueryBank.draw(training, [*test, training[1]], 9, seed=0)
