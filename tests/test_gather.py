"""Two processes with gathered embeddings train as one with the joint batch."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
from torch import nn

from clap_sb.objectives.gather import gather, gather_rows
from clap_sb.objectives.info_nce import InfoNCE
from clap_sb.objectives.logit_scale import LogitScale

RANKS, BATCH = 2, 3


def towers() -> nn.ModuleDict:
    torch.manual_seed(0)
    return nn.ModuleDict({"audio": nn.Linear(5, 4), "text": nn.Linear(6, 4)})


def joint_batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    audio = torch.randn(RANKS * BATCH, 5, generator=generator)
    text = torch.randn(RANKS * BATCH, 6, generator=generator)
    return audio, text, torch.tensor([0, 1, 2, 1, 3, 4])


def loss_of(model: nn.ModuleDict, audio, text, keys) -> torch.Tensor:
    audio = nn.functional.normalize(model["audio"](audio), dim=1)
    text = nn.functional.normalize(model["text"](text), dim=1)
    logit_scale = LogitScale(temperature=0.1)
    return InfoNCE()(gather(audio), gather(text), logit_scale, gather(keys))


def averaged_gradients(model: nn.ModuleDict) -> dict[str, torch.Tensor]:
    """As DDP does it."""
    for parameter in model.parameters():
        dist.all_reduce(parameter.grad)
        parameter.grad /= RANKS
    return {name: p.grad for name, p in model.named_parameters()}


def on_rank(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", f"file://{folder}/store", rank=rank, world_size=RANKS
    )
    model = towers()
    part = slice(rank * BATCH, (rank + 1) * BATCH)
    loss = loss_of(model, *(x[part] for x in joint_batch()))
    loss.backward()
    twice = torch.full((2, 1), float(rank + 1), requires_grad=True)
    # both gathers are handed the same gradient tensor
    weights = torch.arange(1.0, 5.0).view(4, 1) * (rank + 1)
    ((gather(twice) + gather(twice)) * weights).sum().backward()
    uneven = torch.full((1 + 2 * rank, 2), float(rank + 1), requires_grad=True)
    rows, numbers = gather_rows(uneven, torch.arange(1 + 2 * rank) + 10 * rank)
    (rows * torch.arange(8.0).view(4, 2)).sum().backward()
    found = {
        "rows": rows.detach(),
        "numbers": numbers,
        "uneven": uneven.grad,
        "loss": loss.detach(),
        "gradients": averaged_gradients(model),
        "keys": gather(joint_batch()[2][part]),
        "twice": twice.grad,
    }
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gather")
    torch.multiprocessing.spawn(on_rank, (str(folder),), nprocs=RANKS)
    return [torch.load(folder / f"{rank}.pt") for rank in range(RANKS)]


def test_averaged_gradients_equal_those_of_the_joint_batch(ranks):
    model = towers()
    loss = loss_of(model, *joint_batch())
    loss.backward()
    for found in ranks:
        torch.testing.assert_close(found["loss"], loss.detach())
        for name, parameter in model.named_parameters():
            assert parameter.grad.abs().max() > 1e-3
            torch.testing.assert_close(
                found["gradients"][name], parameter.grad, atol=1e-6, rtol=1e-5
            )


def test_every_rank_gets_everything_rank_0_first(ranks):
    for found in ranks:
        assert torch.equal(found["keys"], joint_batch()[2])


def test_a_gradient_that_two_gathers_share_is_summed_once_for_each(ranks):
    # sum over ranks of the weights 1..4 times 1 and 2, for two gathers
    for rank, found in enumerate(ranks):
        own = torch.tensor([[1.0], [2.0]]) + 2 * rank
        assert torch.equal(found["twice"], 2 * 3 * own)


def test_ranks_may_bring_different_numbers_of_rows(ranks):
    for rank, found in enumerate(ranks):
        assert found["rows"].tolist() == [[1, 1], [2, 2], [2, 2], [2, 2]]
        assert found["numbers"].tolist() == [0, 10, 11, 12]
        own = slice(1) if rank == 0 else slice(1, 4)
        assert torch.equal(found["uneven"], 2 * torch.arange(8.0).view(4, 2)[own])


def test_without_a_process_group_it_is_the_tensor_itself():
    x = torch.randn(2, 3)
    assert gather(x) is x
    assert gather_rows(x)[0] is x
