"""What each crop rule lets a model hear."""

from __future__ import annotations

import pytest
import torch

from clap_sb.data.crop_rules import CROP_RULES, crop_rule
from clap_sb.data.whole_clips import WholeClip, WindowCollate

SIZE = 10


def heard(name: str, length: int, clip_id: str = "a", whole: bool = False):
    """The numbers of the samples that are heard, window by window."""
    wav = torch.arange(1.0, length + 1)
    parts = CROP_RULES[name].cut(wav, SIZE, clip_id, whole)
    return [part.int().tolist() for part in parts]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("whole", [[1, 2, 3]]),
        ("first", [[1, 2, 3]]),
        ("center", [[1, 2, 3]]),
        ("laion", [[1, 2, 3, 1, 2, 3, 1, 2, 3, 0]]),
        ("msclap", [[1, 2, 3, 1, 2, 3, 1, 2, 3, 1]]),
        ("wavcaps", [[1, 2, 3, 0, 0, 0, 0, 0, 0, 0]]),
        ("mteb", [[1, 2, 3, 1, 2, 3, 1, 2, 3, 0]]),
    ],
)
@pytest.mark.parametrize("whole", [False, True])
def test_short_clips(name, expected, whole):
    assert heard(name, 3, whole=whole) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("whole", [range(1, 11), range(11, 21), range(16, 26)]),
        ("first", [range(1, 11)]),
        ("center", [range(8, 18)]),
        ("wavcaps", [range(1, 11)]),
        ("mteb", [range(1, 11)]),
    ],
)
def test_long_clips(name, expected):
    assert heard(name, 25) == [list(part) for part in expected]


@pytest.mark.parametrize("name", ["laion", "msclap"])
def test_a_drawn_window_follows_from_the_clip_alone(name):
    by_clip = {clip: heard(name, 14, clip) for clip in map(str, range(60))}
    torch.manual_seed(99)
    assert all(heard(name, 14, clip) == part for clip, part in by_clip.items())
    starts = {part[0][0] for part in by_clip.values()}
    assert starts == {1, 2, 3, 4, 5}  # each that there is, the last one too
    for ((first, *rest),) in by_clip.values():
        assert rest == list(range(first + 1, first + SIZE))


@pytest.mark.parametrize("name", list(CROP_RULES))
def test_which_rules_fuse(name):
    parts = heard(name, 25, whole=True)
    if name in ("whole", "laion", "mteb"):
        assert parts == [list(range(1, 26))]
        assert "fused" in CROP_RULES[name].describe(True)
    else:
        assert parts == heard(name, 25)
        assert "fused" not in CROP_RULES[name].describe(True)
    assert "fused" not in CROP_RULES[name].describe(False)
    assert CROP_RULES[name].describe(False).startswith(f"{name}: ")


def test_a_clip_of_just_the_window_is_left_as_it_is():
    for name in CROP_RULES:
        assert heard(name, SIZE) == [list(range(1, SIZE + 1))]


def test_batches_follow_the_rule():
    clips = [
        WholeClip(0, (), torch.arange(1.0, 26.0), id="a"),
        WholeClip(1, (), torch.arange(1.0, 4.0), id="b"),
    ]
    batch = WindowCollate(SIZE, crop_rule=CROP_RULES["laion"])(clips)
    assert batch.windows.shape == (2, SIZE)
    assert batch.window_lens.tolist() == [1.0, 1.0]
    assert batch.windows.int().tolist() == [*heard("laion", 25), *heard("laion", 3)]


def test_an_unknown_rule_is_told():
    with pytest.raises(ValueError, match="one of whole, .*mteb, not 'middle'"):
        crop_rule("middle")
