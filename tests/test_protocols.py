"""Each protocol's numbers against naive ones, straight from similarity matrices."""

from __future__ import annotations

import pytest
import torch

from clap_sb.data.crop_rules import CROP_RULES
from clap_sb.data.manifest import Clip
from clap_sb.evaluation.class_rules import CLASS_RULES, class_intervals, class_scores
from clap_sb.evaluation.protocols import PROTOCOLS, protocols_named
from clap_sb.evaluation.ranked_matrix import rank_matrix
from clap_sb.evaluation.retrieval import Retrieval, retrieval
from clap_sb.evaluation.zero_shot import ZeroShot


def mean(values):
    return sum(values) / len(values)


def random_pool(seed: int, most: int, tied: bool):
    """Clips with 0 to ``most`` captions, and similarities [captions][clips] of all."""
    generator = torch.Generator().manual_seed(seed)
    counts = torch.randint(0, most + 1, (12,), generator=generator).tolist()
    counts[0], counts[1] = most, 0
    clips = [
        Clip(str(i), f"{i}.wav", 1.0, tuple(f"{i} {k}" for k in range(count)))
        for i, count in enumerate(counts)
    ]
    matrix = torch.rand(sum(counts), len(clips), generator=generator)
    matrix = (matrix * 6).round() / 6 if tied else matrix
    return clips, counts, matrix.double()


# ten lines each, from the definitions; ranks count from 0, ties against the model


def naive_ranks(counts, matrix):
    """For each clip with captions, the ranks of its captions, both ways."""
    owner = [i for i, count in enumerate(counts) for _ in range(count)]
    pool = [i for i, count in enumerate(counts) if count]
    t2a, a2t = [], []
    for i in pool:
        mine = [c for c in range(len(owner)) if owner[c] == i]
        ranked = sorted(mine, key=lambda c: -matrix[c][i])
        for c in mine:
            own = matrix[c][i]
            t2a.append(sum(matrix[c][j] >= own for j in pool if j != i))
        others = [matrix[c][i] for c in range(len(owner)) if owner[c] != i]
        rivals = {c: sum(score >= matrix[c][i] for score in others) for c in mine}
        a2t.append([rivals[c] + ranked.index(c) for c in mine])
    return t2a, a2t


def naive_map(ranks, in_order):
    """mAP@10 of one clip from its captions' ranks, sorted or (LAION) not."""
    kept = [rank for rank in (ranks if in_order else sorted(ranks)) if rank < 10]
    return sum(i / (rank + 1) for i, rank in enumerate(kept, 1)) / len(ranks)


def naive_retrieval(counts, matrix, in_order):
    t2a, a2t = naive_ranks(counts, matrix.tolist())
    best = [min(ranks) for ranks in a2t]
    scores = {
        "t2a_map_at_10": mean([1 / (rank + 1) if rank < 10 else 0 for rank in t2a]),
        "a2t_map_at_10": mean([naive_map(ranks, in_order) for ranks in a2t]),
    }
    for k in (1, 5, 10):
        scores[f"t2a_recall_at_{k}"] = mean([rank < k for rank in t2a])
        scores[f"a2t_recall_at_{k}"] = mean([rank < k for rank in best])
    return {name: 100 * value for name, value in scores.items()}


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("most", range(1, 8))
@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_retrieval_is_the_naive_one(name, most, tied):
    clips, counts, matrix = random_pool(most, most, tied)
    # LAION's and WavCaps' scripts have five captions a clip built in
    limit = 5 if name in ("laion", "wavcaps") else most
    counted = [k < limit for count in counts for k in range(count)]
    matrix, counts = matrix[counted], [min(count, limit) for count in counts]
    kept, left_out = PROTOCOLS[name].caption_pool(clips)
    assert [len(clip.captions) for clip in kept] == [c for c in counts if c]
    assert left_out == counts.count(0) > 0
    places = torch.tensor([i for i, count in enumerate(counts) if count])
    owner = torch.tensor([i for i, clip in enumerate(kept) for _ in clip.captions])
    result = rank_matrix(matrix[:, places], owner)
    sort_ranks = PROTOCOLS[name].sort_ranks
    found = result.scores(sort_ranks)
    for score, value in naive_retrieval(counts, matrix, name == "laion").items():
        assert found[score] == pytest.approx(value), score
    intervals = result.intervals(seed=0, num_resamples=50, sort_ranks=sort_ranks)
    low, high = intervals["a2t_map_at_10"]
    assert low <= found["a2t_map_at_10"] <= high


def test_unsorted_is_never_less_and_differs_in_nothing_else():
    gained = []
    for most in range(2, 8):
        _, counts, matrix = random_pool(most + 40, most, tied=False)
        places = torch.tensor([i for i, count in enumerate(counts) if count])
        num = torch.tensor([count for count in counts if count])
        owner = torch.arange(len(num)).repeat_interleave(num)
        result = rank_matrix(matrix[:, places], owner)
        ours, laion = result.scores(), result.scores(sort_ranks=False)
        gained.append(laion.pop("a2t_map_at_10") - ours.pop("a2t_map_at_10"))
        assert laion == ours
    assert min(gained) >= 0 and max(gained) > 1


def one_clip(ranks):
    """A retrieval of one clip whose captions have these ranks."""
    ranks = torch.tensor(ranks)
    return Retrieval(ranks, ranks, torch.zeros_like(ranks))


def test_laion_gives_the_unsorted_map_of_its_script():
    """A perfect result whose captions are found in reverse order scores 174 %."""
    perfect = one_clip([4, 3, 2, 1, 0])
    assert perfect.scores()["a2t_map_at_10"] == pytest.approx(100.0)
    unsorted = perfect.scores(PROTOCOLS["laion"].sort_ranks)["a2t_map_at_10"]
    # (1/5 + 2/4 + 3/3 + 4/2 + 5/1) / 5
    assert unsorted == pytest.approx(174.0)
    # two clips of five captions: 1.27 as the script has it, and 0.919 as it should be
    ranks = torch.tensor([0, 1, 2, 3, 5, 4, 1, 8, 2, 0])
    pair = Retrieval(ranks, ranks, torch.arange(2).repeat_interleave(5))
    unsorted = pair.scores(PROTOCOLS["laion"].sort_ranks)["a2t_map_at_10"]
    assert round(unsorted / 100, 2) == 1.27
    assert round(pair.scores()["a2t_map_at_10"] / 100, 3) == 0.919


@pytest.mark.parametrize(
    ("ranks", "laion", "ours"),
    [
        # those of 10 and more are left out before the others are numbered
        ([12, 1, 0], (1 / 2 + 2 / 1) / 3, (1 / 1 + 2 / 2) / 3),
        ([9, 10, 11], 1 / 10 / 3, 1 / 10 / 3),
        ([10, 20], 0.0, 0.0),
        ([2, 0], (1 / 3 + 2 / 1) / 2, (1 / 1 + 2 / 3) / 2),
    ],
    ids=str,
)
def test_unsorted_map_by_hand(ranks, laion, ours):
    result = one_clip(ranks)
    assert result.scores(False)["a2t_map_at_10"] == pytest.approx(100 * laion)
    assert result.scores(True)["a2t_map_at_10"] == pytest.approx(100 * ours)


def test_a_matrix_ranks_as_embeddings_do():
    generator = torch.Generator().manual_seed(5)
    audio = torch.randn(9, 4, generator=generator)
    text = torch.randn(20, 4, generator=generator)
    audio, text = (torch.nn.functional.normalize(x, dim=1) for x in (audio, text))
    owner = torch.cat([torch.arange(9), torch.randint(9, (11,), generator=generator)])
    by_embeddings = retrieval(audio, text, owner)
    by_matrix = rank_matrix(text.double() @ audio.double().T, owner)
    for name in ("text_to_audio_ranks", "audio_to_text_ranks", "caption_clip"):
        assert torch.equal(getattr(by_embeddings, name), getattr(by_matrix, name))


def test_the_directions_of_a_matrix_can_differ():
    text_to_audio, owner = torch.eye(3), torch.arange(3)
    result = rank_matrix(text_to_audio, owner, 1 - torch.eye(3))
    assert result.text_to_audio_ranks.tolist() == [0, 0, 0]
    assert result.audio_to_text_ranks.tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text_to_audio": torch.full((2, 2), torch.nan)}, "text_to_audio.*finite"),
        ({"audio_to_text": torch.eye(3)}, "audio_to_text.*got shape"),
        ({"caption_clip": torch.tensor([0, 0])}, "have no caption"),
    ],
    ids=str,
)
def test_what_a_matrix_must_be(change, message):
    arguments = {"text_to_audio": torch.eye(2), "caption_clip": torch.arange(2)}
    with pytest.raises(ValueError, match=message):
        rank_matrix(**{**arguments, **change})


# ------------------------------------------------------------------ classification


def random_outcome(seed: int, num_classes: int, folds: bool) -> ZeroShot:
    generator = torch.Generator().manual_seed(seed)
    count = 37
    fold = torch.randint(1, 4, (count,), generator=generator)
    return ZeroShot(
        labels=tuple(map(str, range(num_classes))),
        targets=torch.randint(num_classes, (count,), generator=generator),
        predictions=torch.randint(num_classes, (count,), generator=generator),
        ranks=torch.randint(num_classes, (count,), generator=generator),
        folds=fold if folds else None,
    )


def naive_classes(name, ranks, folds):
    """What a protocol counts, from the ranks of the right classes."""
    pooled = {
        "accuracy": 100 * mean([rank == 0 for rank in ranks]),
        "top_5_accuracy": 100 * mean([rank < 5 for rank in ranks]),
    }
    if name == "wavcaps" and folds:
        groups = [
            [rank for rank, fold in zip(ranks, folds, strict=True) if fold == one]
            for one in sorted(set(folds))
        ]
        return {
            "accuracy": 100 * mean([mean([r == 0 for r in g]) for g in groups]),
            "top_5_accuracy": 100 * mean([mean([r < 5 for r in g]) for g in groups]),
        }
    if name == "laion":
        gain = [1 / (rank + 1) if rank < 10 else 0 for rank in ranks]
        recalls = {k: 100 * mean([rank < k for rank in ranks]) for k in (1, 5, 10)}
        ordered, half = sorted(ranks), len(ranks) // 2
        return {
            "accuracy": recalls[1],
            **{f"recall_at_{k}": value for k, value in recalls.items()},
            "map_at_10": 100 * mean(gain),
            "mean_rank": mean(ranks) + 1,
            "median_rank": ordered[half] + 1,
        }
    return pooled


@pytest.mark.parametrize("with_folds", [False, True])
@pytest.mark.parametrize("num_classes", [2, 7, 40])
@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_classification_is_the_naive_one(name, num_classes, with_folds):
    outcome = random_outcome(num_classes, num_classes, with_folds)
    rule = PROTOCOLS[name].class_rule
    folds = outcome.folds.tolist() if with_folds else None
    found = class_scores(outcome, rule)
    expected = naive_classes(name, outcome.ranks.tolist(), folds)
    assert {key: found[key] for key in expected} == pytest.approx(expected)
    intervals = class_intervals(outcome, rule, seed=1, num_resamples=100)
    assert intervals.keys() <= expected.keys()
    for key, (low, high) in intervals.items():
        assert low <= found[key] <= high
    assert ("fold_std" in found) == with_folds
    if with_folds:
        values = torch.tensor(list(found["fold_accuracies"].values())).double()
        assert found["fold_mean"] == pytest.approx(values.mean().item())
        assert found["fold_std"] == pytest.approx(values.std().item())


def test_folds_of_different_size_weigh_the_same_with_wavcaps():
    ranks = torch.tensor([0, 0, 0, 0, 3])
    outcome = ZeroShot(("a", "b"), ranks, ranks, ranks, torch.tensor([1, 1, 1, 1, 2]))
    assert class_scores(outcome, "pooled")["accuracy"] == pytest.approx(80.0)
    assert class_scores(outcome, "mean of folds")["accuracy"] == pytest.approx(50.0)


# ------------------------------------------------------------------ the rules


@pytest.mark.parametrize(
    ("name", "dataset", "sentence"),
    [
        ("official", "ESC-50", "This is a sound of sea waves."),
        ("laion", "ESC-50", "This is a sound of sea waves"),
        ("laion", "VGGSound", "This is a sound of sea waves."),
        ("laion", "GTZAN", "This is a sea waves song."),
        ("wavcaps", "ESC-50", "sea waves can be heard"),
        ("wavcaps", "UrbanSound8K", "sea waves"),
        ("msclap", "ESC-50", "this is the sound of sea waves"),
        ("mteb", "ESC-50", "This is a sound of sea_waves"),
        ("mteb", "UrbanSound8K", "This is a sound of sea waves"),
    ],
)
def test_prompts(name, dataset, sentence):
    assert PROTOCOLS[name].prompts(dataset).of("sea_waves") == (sentence,)


def test_rules_that_protocols_name_exist():
    for protocol in PROTOCOLS.values():
        assert protocol.crop_rule in CROP_RULES
        assert protocol.class_rule in CLASS_RULES
    unsorted = [name for name, p in PROTOCOLS.items() if not p.sort_ranks]
    assert unsorted == ["laion"]


def test_laion_scores_the_first_fold_of_esc_50_alone():
    clips = [Clip(str(i), "x.wav", 5.0, label="a", fold=i % 5 + 1) for i in range(10)]
    laion = PROTOCOLS["laion"]
    assert [clip.id for clip in laion.class_pool(clips, "ESC-50")] == ["0", "5"]
    assert laion.class_pool(clips, "UrbanSound8K") == clips
    assert PROTOCOLS["official"].class_pool(clips, "ESC-50") == clips
    assert "fold 1 alone" in laion.notes("ESC-50")
    with pytest.raises(ValueError, match="scores fold 1 of ESC-50, and no clip"):
        laion.class_pool(clips[1:4], "ESC-50")


@pytest.mark.parametrize(
    ("name", "dataset", "split", "published"),
    [
        ("wavcaps", "AudioCaps", "test", 957),
        ("wavcaps", "AudioCaps", "valid", 494),
        ("mteb", "AudioCaps", "test", 883),
        ("mteb", "UrbanSound8K", "all folds", 2048),
        ("official", "AudioCaps", "test", 975),
        ("official", "Clotho", "valid", 1045),
    ],
)
def test_a_pool_of_another_size_is_noted(name, dataset, split, published):
    protocol = PROTOCOLS[name]
    (note,) = protocol.pool_notes(published - 1, dataset, split)
    assert f"published pool has {published} clips, this one {published - 1}" in note
    assert protocol.pool_notes(published, dataset, split) == ()


def test_no_pool_is_noted_where_none_is_published():
    assert PROTOCOLS["mteb"].pool_notes(495, "AudioCaps", "valid") == ()
    assert PROTOCOLS["laion"].pool_notes(495, "AudioCaps", "test") == ()
    assert PROTOCOLS["official"].pool_notes(100, "builtin (synthetic)", "test") == ()


def test_protocols_are_found_by_name():
    assert [p.name for p in protocols_named("mteb")] == ["mteb"]
    assert [p.name for p in protocols_named(["laion", "official"])][0] == "laion"
    assert len(protocols_named("all")) == len(PROTOCOLS) == 5
    for wrong in ("laon", ["official", "x"], []):
        with pytest.raises(ValueError, match="protocol is one of official, laion"):
            protocols_named(wrong)


def test_blank_captions_are_none():
    clips = [Clip("a", "a", 1.0, (" ", "rain")), Clip("b", "b", 1.0, ("",))]
    kept, left_out = PROTOCOLS["official"].caption_pool(clips)
    assert ([clip.captions for clip in kept], left_out) == ([("rain",)], 1)
    with pytest.raises(ValueError, match="not one clip has a caption"):
        PROTOCOLS["laion"].caption_pool(clips[1:])


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=list(PROTOCOLS))
def test_a_subset_goes_by_the_rules_of_its_set(protocol):
    clips = [Clip(f"{n}", f"/{n}.wav", 5.0, label="a_b", fold=n) for n in (1, 2, 5)]
    whole, subset = (
        (
            protocol.prompts(name).of("a_b"),
            protocol.class_pool(clips, name),
            protocol.notes(name),
        )
        for name in ("ESC-50", "ESC-10")
    )
    assert whole == subset


def test_the_pool_of_one_version_is_not_that_of_another():
    notes = PROTOCOLS["wavcaps"].pool_notes
    assert "the published pool has 957 clips" in notes(975, "AudioCaps", "test")[0]
    assert notes(975, "AudioCaps-2.0", "test") == ()
