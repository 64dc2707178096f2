"""How short clips are filled up, against a loop over samples."""

from __future__ import annotations

import pytest
import torch

from clap_sb.clips import FILL_RULES, fill


def naive(wav: list[float], size: int, rule: str) -> list[float]:
    filled = list(wav)
    while len(filled) < size:
        if rule == "pad" or (rule == "repeatpad" and len(filled) + len(wav) > size):
            filled.append(0.0)
        else:
            filled.extend(wav)
    return filled[:size]


@pytest.mark.parametrize("rule", FILL_RULES)
@pytest.mark.parametrize("size", [7, 8, 9, 12, 20])
# of the second kind, none fits twice into up to 7
@pytest.mark.parametrize("lengths", [[1, 3, 4, 5, 7], [4, 5, 7]])
def test_equals_a_loop(rule, size, lengths):
    lengths = torch.tensor(lengths)
    wavs = torch.randn(len(lengths), 7)
    found = fill(wavs, lengths, size, rule)
    for row, wav, length in zip(found, wavs, lengths, strict=True):
        assert row.tolist() == naive(wav[:length].tolist(), size, rule)


def test_garbage_beyond_the_length_is_ignored():
    wavs, lengths = torch.randn(2, 6), torch.tensor([2, 5])
    garbage = wavs.clone()
    garbage[0, 2:], garbage[1, 5:] = float("nan"), float("inf")
    for rule in FILL_RULES:
        assert torch.equal(
            fill(garbage, lengths, 9, rule), fill(wavs, lengths, 9, rule)
        )


def test_an_unknown_rule_is_named():
    with pytest.raises(ValueError, match="one of.*'repeatpad'.*not 'mirror'"):
        fill(torch.zeros(1, 2), torch.tensor([2]), 4, "mirror")
