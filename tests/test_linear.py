"""Linear layers by oneDNN: torch's numbers, where they are taken, and where not."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from clap_sb.encoders import linear
from clap_sb.encoders.linear import Linear

needs_onednn = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="torch has no oneDNN here"
)


@pytest.fixture
def by_onednn(monkeypatch):
    """Takes oneDNN, whosever the processor is, and notes each call."""
    calls = []
    apply = linear._OneDnn.apply
    monkeypatch.setattr(linear, "mkl_holds_back", lambda: True)
    monkeypatch.setattr(
        linear._OneDnn, "apply", lambda *given: calls.append(given) or apply(*given)
    )
    return calls


def layer_and_input(inputs: int, outputs: int, bias: bool = True):
    torch.manual_seed(0)
    layer = Linear(inputs, outputs, bias)
    x = torch.randn(3, 7, 2 * inputs)[:, :, ::2]  # no contiguous rows
    return layer, x.requires_grad_()


def gradients(y: torch.Tensor, *of: torch.Tensor) -> tuple[torch.Tensor, ...]:
    weights = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
    return torch.autograd.grad((y * weights).sum(), of)


@needs_onednn
@pytest.mark.parametrize(
    ("inputs", "outputs", "bias"),
    [(96, 288, True), (384, 96, True), (128, 128, False), (768, 24, True)],
)
def test_products_and_gradients_are_those_of_torch(inputs, outputs, bias, by_onednn):
    layer, x = layer_and_input(inputs, outputs, bias)
    parameters = list(layer.parameters())
    y = layer(x)
    assert len(by_onednn) == 1
    exact = [part.detach().double().requires_grad_() for part in (x, *parameters)]
    expected = F.linear(*exact)
    torch.testing.assert_close(y.double(), expected, atol=1e-5, rtol=1e-5)
    for found, wanted in zip(
        gradients(y, x, *parameters), gradients(expected, *exact), strict=True
    ):
        torch.testing.assert_close(found.double(), wanted, atol=1e-4, rtol=1e-5)


@needs_onednn
def test_what_is_frozen_has_no_gradient(by_onednn):
    layer, x = layer_and_input(96, 288)
    layer.requires_grad_(False)
    (found,) = gradients(layer(x), x)
    (expected,) = gradients(F.linear(x, layer.weight, layer.bias), x)
    torch.testing.assert_close(found, expected)
    with torch.no_grad():
        assert not layer(x).requires_grad
    assert len(by_onednn) == 2


@needs_onednn
def test_gradients_can_be_differentiated_and_taken_by_clip(by_onednn):
    layer, x = layer_and_input(96, 288)

    def penalty(function) -> torch.Tensor:
        (slope,) = torch.autograd.grad(function(x).square().sum(), x, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), layer.weight)[0]

    def plain(x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, layer.weight, layer.bias)

    def by_clip(function) -> torch.Tensor:
        slope = torch.func.grad(lambda one: function(one).square().sum())
        return torch.func.vmap(slope)(x)

    torch.testing.assert_close(penalty(layer), penalty(plain), rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(by_clip(layer), by_clip(plain), rtol=1e-4, atol=1e-4)
    assert by_onednn


@needs_onednn
def test_slopes_can_be_taken_forwards(by_onednn):
    layer, x = layer_and_input(96, 288)
    given = (layer.weight, layer.bias, x[0].detach())
    directions = tuple(torch.randn_like(part) for part in given)

    def ours(weight, bias, x):
        parameters = {"weight": weight, "bias": bias}
        return torch.func.functional_call(layer, parameters, (x,))

    found = torch.func.jvp(ours, given, directions)
    expected = torch.func.jvp(lambda w, b, x: F.linear(x, w, b), given, directions)
    torch.testing.assert_close(found, expected)
    assert by_onednn


@needs_onednn
@pytest.mark.parametrize("shape", [(2, 48), (192,), (3, 95)])
def test_rows_of_another_length_are_an_error(shape, by_onednn):
    with pytest.raises(RuntimeError, match="cannot be multiplied|size mismatch"):
        Linear(96, 288)(torch.randn(shape))
    assert not by_onednn


class Strange(torch.Tensor):
    """As of libraries that keep weights in their own way."""


def test_weights_of_a_class_of_their_own_are_left_to_it(by_onednn):
    layer, x = layer_and_input(96, 288)
    layer.requires_grad_(False)
    dense = layer.weight.clone()
    for weight in (dense.as_subclass(Strange), dense.to_sparse_csr()):
        layer.weight = torch.nn.Parameter(weight, requires_grad=False)
        torch.testing.assert_close(
            layer(x.detach()).as_subclass(torch.Tensor),
            F.linear(x.detach(), dense, layer.bias),
        )
    assert not by_onednn


def test_tools_with_tables_of_layers_find_them():
    """`quantize_dynamic` passes over in silence what is not of a class in its table."""
    assert {torch.nn.Linear: "found"}[Linear] == "found"
    assert Linear == torch.nn.Linear == Linear
    assert torch.nn.Conv2d not in {Linear}
    layer = torch.nn.Sequential(Linear(96, 288))
    traced = torch.fx.symbolic_trace(layer)
    x = torch.randn(2, 96)
    torch.testing.assert_close(traced(x), layer(x))
    if torch.backends.quantized.engine == "none":
        return
    smaller = torch.ao.quantization.quantize_dynamic(layer, {torch.nn.Linear})
    assert "quantized" in type(smaller[0]).__module__
    torch.testing.assert_close(smaller(x), layer(x), rtol=0, atol=0.1)


@needs_onednn
def test_no_clip_is_no_error(by_onednn):
    assert Linear(96, 288)(torch.zeros(0, 7, 96)).shape == (0, 7, 288)


def traced(layer: Linear, x: torch.Tensor) -> torch.Tensor:
    return torch.jit.trace(layer, x, check_trace=False)(x)


def exported(layer: Linear, x: torch.Tensor) -> torch.Tensor:
    graph = torch.export.export(layer, (x,))
    assert "mkldnn" not in str(graph.graph)
    return graph.module()(x)


def switched_off(layer: Linear, x: torch.Tensor) -> torch.Tensor:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.backends.mkldnn, "enabled", False)
        return layer(x)


@pytest.mark.parametrize("way", [traced, exported, switched_off])
def test_graphs_and_who_turns_it_off_have_torchs_own(way, by_onednn):
    layer, x = layer_and_input(96, 288)
    x = x.detach().contiguous()
    assert torch.equal(way(layer, x), F.linear(x, layer.weight, layer.bias))
    assert not by_onednn


def test_so_have_small_layers_other_types_and_autocast(by_onednn):
    small, x = layer_and_input(64, 64)
    assert torch.equal(small(x), F.linear(x, small.weight, small.bias))
    large, x = layer_and_input(96, 288)
    assert large.double()(x.double()).dtype == torch.float64
    with torch.autocast("cpu", torch.bfloat16):
        assert large.float()(x).dtype == torch.bfloat16
    assert not by_onednn


@pytest.mark.parametrize(
    ("capability", "processor", "expected"),
    [
        ("AVX512", "vendor_id : AuthenticAMD", True),
        ("AVX512", "Intel64 Family 6 Model 143, GenuineIntel", False),
        ("AVX2", "AMD64 Family 25 Model 33, AuthenticAMD", False),
    ],
)
def test_mkl_holds_back_on_amd_with_avx512(
    capability, processor, expected, monkeypatch
):
    for backend in (torch.backends.mkl, torch.backends.mkldnn):
        monkeypatch.setattr(backend, "is_available", lambda: True)
    monkeypatch.setattr(
        torch.backends.cpu, "get_cpu_capability", lambda: capability, raising=False
    )
    monkeypatch.setattr(linear, "_processor", lambda: processor)
    assert linear.mkl_holds_back.__wrapped__() is expected
