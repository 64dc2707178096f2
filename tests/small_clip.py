"""A small CLIP in a folder, as ``save_pretrained`` writes a real one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from builders import amplify

JOINT_DIM = 12
SIDE = 32  # pixels


def write_clip(folder: Path, seed: int = 0) -> Path:
    """Model, tokenizer and image processor, with weights that make all parts matter."""
    folder.mkdir(parents=True, exist_ok=True)
    save_clip(amplify(clip_model(), seed).eval(), folder)
    return folder


def clip_model():
    from transformers import CLIPConfig, CLIPModel

    layers = {"hidden_size": 16, "intermediate_size": 32}
    layers |= {"num_hidden_layers": 2, "num_attention_heads": 2}
    count = len(vocabulary())
    ids = {"bos_token_id": count - 2, "eos_token_id": count - 1, "pad_token_id": 0}
    config = CLIPConfig(
        text_config={**layers, **ids, "vocab_size": count},
        vision_config={**layers, "image_size": SIDE, "patch_size": 8},
        projection_dim=JOINT_DIM,
    )
    return CLIPModel(config)


def save_clip(model, folder: Path) -> None:
    from transformers import CLIPImageProcessorPil, CLIPTokenizer

    model.save_pretrained(folder)
    CLIPTokenizer(vocab=vocabulary(), merges=[]).save_pretrained(folder)
    size = {"height": SIDE, "width": SIDE}
    processor = CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=size)
    processor.save_pretrained(folder)


def vocabulary() -> dict[str, int]:
    """Letters, within a word and at its end; then the two special tokens."""
    letters = [chr(code) for code in range(33, 127)]
    ends = [f"{letter}</w>" for letter in letters]
    tokens = [*letters, *ends, "<|startoftext|>", "<|endoftext|>"]
    return {token: index for index, token in enumerate(tokens)}


def features(folder: Path, captions: list[str] | None = None, images=None):
    """What transformers' own model makes of captions or pictures, normalised."""
    from transformers import CLIPModel, CLIPProcessor

    model = CLIPModel.from_pretrained(folder).eval()
    processor = CLIPProcessor.from_pretrained(folder, backend="pil")
    with torch.no_grad():
        if captions is not None:
            inputs = processor(text=captions, padding=True, return_tensors="pt")
            found = model.get_text_features(**inputs)
        else:
            inputs = processor(images=images, return_tensors="pt")
            found = model.get_image_features(**inputs)
    return torch.nn.functional.normalize(found.pooler_output, dim=-1)


def pictures(count: int = 3) -> list[np.ndarray]:
    """Noise over a colour, each of another size."""
    drawn = np.random.RandomState(3)
    return [
        np.clip(
            drawn.randint(0, 120, (40 + 9 * index, 64, 3)) + drawn.randint(0, 136, 3),
            0,
            255,
        ).astype(np.uint8)
        for index in range(count)
    ]
