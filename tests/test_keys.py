"""Keys are the same on every machine, and tell different things apart."""

from __future__ import annotations

import torch

from clap_sb.data.keys import generator_for, key_of


def test_a_key_is_that_of_its_text_for_ever():
    """In every process and on every machine; Python's own hash would not be."""
    assert key_of("a dog barks") == 1747916400913472838
    assert key_of(3407, 1, "clip") == key_of("3407", "1", "clip")


def test_keys_fit_a_tensor_and_differ():
    keys = torch.tensor([key_of(epoch, i) for epoch in range(20) for i in range(500)])
    assert keys.dtype == torch.int64 and (keys >= 0).all()
    assert len(keys.unique()) == len(keys)


def test_parts_are_not_run_together():
    assert len({key_of("ab", "c"), key_of("a", "bc"), key_of("abc")}) == 3


def test_generators_draw_by_their_values_alone():
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = torch.rand(4, generator=generator_for(1, 2, "a"))
    assert torch.equal(first, torch.rand(4, generator=generator_for(1, 2, "a")))
    assert not torch.equal(first, torch.rand(4, generator=generator_for(1, 3, "a")))
    assert torch.equal(state, torch.get_rng_state()), "the global one is left alone"
