"""Slow twins of what the package computes fast: written to be read, not to be run.

They work on Python numbers, one query at a time, straight from the definitions.
"""

from __future__ import annotations

TIE = 1e-6


def similarities(left, right):
    """Dot products of all pairs, as a list of lists."""
    left, right = left.double().tolist(), right.double().tolist()
    return [
        [sum(x * y for x, y in zip(a, b, strict=True)) for b in right] for a in left
    ]


def retrieval_ranks(audio, text, caption_clip):
    """Text-to-audio and audio-to-text rank of each caption, ties against the model."""
    clip = caption_clip.tolist()
    matrix = similarities(text, audio)  # [captions][clips]
    t2a, a2t = [], []
    for caption, row in enumerate(matrix):
        own = row[clip[caption]]
        t2a.append(
            sum(
                other >= own - TIE
                for index, other in enumerate(row)
                if index != clip[caption]
            )
        )
        a2t.append(0)
        for other, other_row in enumerate(matrix):
            score = other_row[clip[caption]]
            if clip[other] != clip[caption]:
                a2t[-1] += score >= own - TIE
            else:  # a caption of the same clip: the better one first
                a2t[-1] += (-score, other) < (-own, caption)
    return t2a, a2t


def retrieval_scores(t2a, a2t, caption_clip):
    """Recall, mAP@10 and median rank from the ranks of the captions."""
    clip = caption_clip.tolist()
    by_clip = [
        sorted(rank for rank, owner in zip(a2t, clip, strict=True) if owner == index)
        for index in range(max(clip) + 1)
    ]
    best = [ranks[0] for ranks in by_clip]
    average_precision = [
        sum((i + 1) / (rank + 1) for i, rank in enumerate(ranks) if rank < 10)
        / len(ranks)
        for ranks in by_clip
    ]
    scores = {
        "t2a_map_at_10": 100 * mean([1 / (r + 1) if r < 10 else 0 for r in t2a]),
        "a2t_map_at_10": 100 * mean(average_precision),
        "num_clips": len(by_clip),
        "num_captions": len(clip),
    }
    for direction, ranks in {"t2a": t2a, "a2t": best}.items():
        for k in (1, 5, 10):
            scores[f"{direction}_recall_at_{k}"] = 100 * mean([r < k for r in ranks])
        ordered, half = sorted(ranks), len(ranks) // 2
        middle = ordered[half]
        if len(ranks) % 2 == 0:
            middle = (ordered[half - 1] + ordered[half]) / 2
        scores[f"{direction}_median_rank"] = int(middle) + 1
    return scores


def zero_shot(audio, class_text, targets):
    """Rank of the right class and the class given, ties against the model."""
    ranks, given = [], []
    for row, target in zip(
        similarities(audio, class_text), targets.tolist(), strict=True
    ):
        rivals = {c: s for c, s in enumerate(row) if c != target}
        ranks.append(sum(s >= row[target] - TIE for s in rivals.values()))
        given.append(max(rivals, key=rivals.get) if ranks[-1] else target)
    return ranks, given


def mean(values):
    """Arithmetic mean."""
    return sum(values) / len(values)


def naive_agreement(student, teacher, student_text, teacher_text, nearest: int) -> dict:
    """Cosine, and shares of the nearest that two models have in common."""

    def highest(row: list[float], left_out: int | None = None) -> set[int]:
        order = [place for place in range(len(row)) if place != left_out]
        order.sort(key=lambda place: -row[place])
        return set(order[:nearest])

    own, its = similarities(student, student), similarities(teacher, teacher)
    both = similarities(student, teacher)
    shared = [len(highest(own[i], i) & highest(its[i], i)) for i in range(len(own))]
    asked = similarities(student_text, student), similarities(teacher_text, teacher)
    found = [len(highest(s) & highest(t)) for s, t in zip(*asked, strict=True)]
    return {
        "cosine": sum(both[i][i] for i in range(len(both))) / len(both),
        "neighbours": 100 * sum(shared) / len(shared) / nearest,
        "by_text": 100 * sum(found) / len(found) / nearest,
    }
