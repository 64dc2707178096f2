"""The text side of CLIP, up to the space that CLIP's pictures live in."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from clap_sb.encoders.caption_tokenizer import CaptionTokenizer
from clap_sb.encoders.text_source import fetch
from clap_sb.encoders.text_tower import TextTower, checkpoint_layers, last_state
from clap_sb.encoders.transformers_models import import_without_torchaudio
from clap_sb.finite_weights import check_finite

# the place in the tower's config.json that says whose space it is
CLIP_SPACE = "clip_space_of"


class ClipJointText(TextTower):
    """Captions to CLIP's joint space: its text transformer and its text projection.

    An audio tower that learns these embeddings learns CLIP's space (Radford et al.,
    2021), and is then comparable with CLIP's embeddings of pictures, as in AudioCLIP
    (Guzhov et al., 2106.13043) and Wav2CLIP (Wu et al., 2110.11499). The tower is
    frozen, since a space that moves is not CLIP's any more; its projection is part of
    it, so that the system's ``text_projection`` is the identity.

    Arguments
    ---------
    source : str or Path
        A folder with a CLIP's ``config.json``, tokenizer and weights, or a name on the
        Hugging Face hub.
    clip : str or Path
        The name or folder by which the same CLIP is to be found later, for its pictures
        (:mod:`clap_sb.inference.images`). It is kept with the tower.
    joint_dim : int
        Width of CLIP's joint space: 512, or 768 of ViT-L/14.
    pretrained : bool
        Whether the weights are there too and are loaded; otherwise the tower starts
        from random ones.
    max_tokens : int
        Longer captions are cut to this, their end-of-text token kept.
    freeze : bool
        Keep all parameters as they are, without dropout and without a graph.
    gradient_checkpointing : bool
        Recompute each layer in the backward pass.

    Raises
    ------
    TextSourceError
        If the files are neither here nor to be fetched.
    ValueError
        If the folder holds no CLIP, or one with another ``joint_dim``, or with fewer
        positions than ``max_tokens``.

    Example
    -------
    >>> import json
    >>> from clap_sb.encoders.sentencepiece_tokenizer import train_sentencepiece
    >>> folder = getfixture("tmp_path")
    >>> train_sentencepiece(["a dog barks", "rain on a roof"], folder, 50)
    >>> config = {
    ...     "model_type": "clip_text_model",
    ...     "vocab_size": 50,
    ...     "hidden_size": 16,
    ...     "num_hidden_layers": 1,
    ...     "num_attention_heads": 2,
    ...     "intermediate_size": 32,
    ...     "projection_dim": 12,
    ...     "bos_token_id": 0,
    ...     "pad_token_id": 1,
    ...     "eos_token_id": 2,
    ... }
    >>> _ = (folder / "config.json").write_text(json.dumps(config))
    >>> tower = ClipJointText(folder, "openai/clip", joint_dim=12, pretrained=False)
    >>> tower(["a dog", "rain on a roof"]).shape, tower.clip
    (torch.Size([2, 12]), None)
    """

    def __init__(
        self,
        source: str | Path,
        clip: str | Path,
        joint_dim: int = 512,
        pretrained: bool = True,
        max_tokens: int = 77,
        freeze: bool = True,
        gradient_checkpointing: bool = False,
    ):
        folder = fetch(source)
        tokenize = CaptionTokenizer.from_folder(folder, max_tokens)
        super().__init__(tokenize, freeze)
        self.config = _read_config(folder, joint_dim, max_tokens)
        if pretrained:
            place = Path(clip).resolve() if Path(clip).is_dir() else clip
            setattr(self.config, CLIP_SPACE, str(place))
        self.model = _load_model(folder, self.config, pretrained)
        self.embedding_dim = joint_dim
        if gradient_checkpointing:
            checkpoint_layers(self.model)
        self.freeze_if_asked()

    @property
    def clip(self) -> str | None:
        """The CLIP that the tower started from; None if from random weights."""
        return self.config.to_dict().get(CLIP_SPACE)

    def encode(self, tokens: dict[str, torch.Tensor]) -> torch.Tensor:
        """Embeds ``input_ids`` and ``attention_mask``, each ``[batch, tokens]``."""
        states = self.model.text_model(**tokens).last_hidden_state
        # the end-of-text token by the mask: SentencePiece has another id for it
        return self.model.text_projection(last_state(states, tokens["attention_mask"]))

    def save_source(self, folder: str | Path) -> None:
        """Writes configuration and tokenizer, so that no hub is needed later.

        Arguments
        ---------
        folder : str or Path
            Becomes a ``source`` for ``pretrained=False``; the weights live in the
            checkpoint.
        """
        super().save_source(folder)
        self.config.save_pretrained(folder)


def _read_config(folder: Path, joint_dim: int, max_tokens: int):
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False
    )
    if config.model_type == "clip":
        # the two may differ in files, and CLIPModel goes by the outer one
        config.text_config.projection_dim = config.projection_dim
        config = config.text_config
    if config.model_type != "clip_text_model":
        raise ValueError(
            f"{folder} holds a {config.model_type} model: a joint space with pictures "
            "takes a CLIP, such as openai/clip-vit-base-patch16"
        )
    if joint_dim != config.projection_dim:
        raise ValueError(
            f"the joint space of the CLIP in {folder} has {config.projection_dim} "
            f"dimensions, not {joint_dim}: set --joint_dim {config.projection_dim}"
        )
    if max_tokens > config.max_position_embeddings:
        raise ValueError(
            f"max_tokens {max_tokens} is more than the "
            f"{config.max_position_embeddings} positions of this CLIP"
        )
    return config


def _load_model(folder: Path, config, pretrained: bool) -> nn.Module:
    import_without_torchaudio()
    from transformers import CLIPTextModelWithProjection

    class TextSide(CLIPTextModelWithProjection):
        # of a whole CLIP's file, without a word on what is left out
        _keys_to_ignore_on_load_unexpected = ["vision_model", "visual", "logit_scale"]

    if not pretrained:
        return TextSide(config)
    model = TextSide.from_pretrained(
        folder, config=config, local_files_only=True, dtype=torch.float32
    )
    check_finite(model.state_dict(), str(folder), dict(model.named_buffers()))
    return model
