"""A checkpoint whose weights are not finite is refused, through whatever door."""

from __future__ import annotations

import shutil

import pytest
import torch
from small_checkpoints import clap_model, laion_state, write_tokenizer
from test_one_door import WAYS, by_the_interface, run_of

from clap_sb.checkpoints.audio_weights import load_audio_weights
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.pretrainer import load_exactly
from clap_sb.cli import main
from clap_sb.encoders.text import TransformersText
from clap_sb.finite_weights import nonfinite_weights
from clap_sb.inference.conversion import convert


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Checkpoints as they should be, which tests copy and damage."""
    folder = tmp_path_factory.mktemp("sound")
    words = write_tokenizer(folder / "words")
    torch.save(laion_state(), folder / "file.pt")
    convert(folder / "file.pt", folder / "export", "speechbrain", str(words))
    return folder


def damage(path, value: float) -> str:
    """Puts one number into the first bias of a file."""
    state = torch.load(path)
    key = next(name for name in state if name.endswith(".bias"))
    state[key] = state[key].clone()
    state[key].view(-1)[-1] = value
    torch.save(state, path)
    return key


def copied(sound, tmp_path, kind: str):
    """A copy of each kind, and its file that is to be damaged."""
    folder = shutil.copytree(sound, tmp_path / "copy")
    if kind == "file":
        return folder / "file.pt", folder / "file.pt"
    if kind == "export":
        return folder / "export", folder / "export" / "audio_projection.ckpt"
    run = run_of(folder / "export", folder / "run")
    return run, run / "save" / "CKPT+1" / "text_encoder.ckpt"


@pytest.mark.parametrize("kind", ["file", "export", "run"])
@pytest.mark.parametrize("way", WAYS)
def test_every_door_is_shut(kind, way, sound, tmp_path):
    source, file = copied(sound, tmp_path, kind)
    damage(file, torch.nan)
    words = sound / "words" if kind == "file" else None
    with pytest.raises(CheckpointError, match="bias holds NaN.*went wrong"):
        way(source, words, tmp_path / "out")


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_the_parameter_and_what_it_holds_are_named(value, sound, tmp_path, capsys):
    source, file = copied(sound, tmp_path, "export")
    key = damage(file, value)
    expected = f"{key} holds {'NaN' if value != value else 'infinity'}"
    assert (
        main(["embed", "--checkpoint", str(source), "--text", "a dog", "--json"]) == 1
    )
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line and "audio_projection.ckpt" in line


def test_a_transformers_folder_is_refused(tmp_path):
    model = clap_model()
    with torch.no_grad():
        model.text_projection.linear1.bias[0] = torch.nan
    model.save_pretrained(tmp_path / "clap")
    with pytest.raises(CheckpointError, match=r"text_projection.*holds NaN"):
        by_the_interface(tmp_path / "clap", None, tmp_path)


def test_a_tower_to_start_from_is_refused(sound, tmp_path):
    """An audio tower alone, by name and by SpeechBrain's pretrainer."""
    source, _ = copied(sound, tmp_path, "export")
    path = source / "audio_encoder.ckpt"
    key = damage(path, torch.inf)
    encoder = by_the_interface(sound / "export", None, tmp_path).audio_encoder
    for load in (load_audio_weights, lambda tower, _: load_exactly(tower, path)):
        with pytest.raises(CheckpointError, match=f"{key} holds infinity"):
            load(encoder, str(source))


def test_a_text_tower_to_start_from_is_refused(tmp_path):
    from transformers import BertConfig, BertModel

    sizes = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
    model = BertModel(BertConfig(vocab_size=99, num_hidden_layers=1, **sizes))
    with torch.no_grad():
        model.embeddings.LayerNorm.bias[0] = torch.nan
    model.save_pretrained(tmp_path / "bert")
    write_tokenizer(tmp_path / "bert")
    with pytest.raises(ValueError, match="LayerNorm.bias holds NaN"):
        TransformersText(str(tmp_path / "bert"))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (torch.ones(3), None),
        (torch.empty(0), None),
        (torch.full((3,), 3e38), None),  # whose sum is not finite
        (torch.full((3,), 6e4, dtype=torch.float16), None),
        (torch.tensor([1.0, torch.nan], dtype=torch.bfloat16), "a holds NaN"),
        (torch.tensor([1.0, torch.inf], dtype=torch.float64), "a holds infinity"),
        (torch.tensor([torch.inf, -torch.inf]), "a holds infinity"),
        (torch.tensor([1 + 1j, complex(torch.nan, 0)]), "a holds NaN"),
        (torch.ones(3).t()[::2], None),
        (torch.tensor([1, 2]), None),
        ("a word", None),
    ],
)
def test_what_is_not_finite(value, found):
    assert nonfinite_weights({"a": value}) == found


def test_a_mask_may_hold_infinity_and_a_running_mean_may_not():
    state = {
        "mask": torch.tensor(-torch.inf),
        "bn.running_var": torch.tensor(torch.inf),
    }
    assert nonfinite_weights(state, state) == "bn.running_var holds infinity"
    assert nonfinite_weights({"mask": torch.tensor(torch.nan)}, state)


def test_of_many_the_first_are_named():
    state = {f"w{place}": torch.tensor(torch.nan) for place in range(9)}
    assert nonfinite_weights(state).endswith("w4 holds NaN and 4 more")
