"""Text towers that transformers knows: any encoder, with a pooling rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from clap_sb.encoders.bert import Bert
from clap_sb.encoders.bert_config import BertConfig
from clap_sb.encoders.caption_tokenizer import CaptionTokenizer
from clap_sb.encoders.text_source import fetch
from clap_sb.encoders.text_tower import TextTower, checkpoint_layers, last_state
from clap_sb.encoders.transformers_models import import_without_torchaudio
from clap_sb.finite_weights import check_finite


def _pooler(output, mask: torch.Tensor) -> torch.Tensor:
    return output.pooler_output


def _first(output, mask: torch.Tensor) -> torch.Tensor:
    return output.last_hidden_state[:, 0]


def _mean(output, mask: torch.Tensor) -> torch.Tensor:
    weight = mask.unsqueeze(2).to(output.last_hidden_state.dtype)
    return (output.last_hidden_state * weight).sum(1) / weight.sum(1)


def _last(output, mask: torch.Tensor) -> torch.Tensor:
    return last_state(output.last_hidden_state, mask)


def _mean_padded(output, mask: torch.Tensor) -> torch.Tensor:
    return output.last_hidden_state.mean(1)


POOLINGS: dict[str, Callable] = {
    "pooler": _pooler,
    "cls": _first,
    "mean": _mean,
    "last": _last,
    "mean_padded": _mean_padded,
}


class TransformersText(TextTower):
    """Captions to one embedding each, by any encoder that transformers has.

    BERT and RoBERTa are :class:`~clap_sb.encoders.bert.Bert`: the same, and there at
    once.

    ================== ============== ============ ========== =====================
    system             source         pooling      max_tokens suffix
    ================== ============== ============ ========== =====================
    LAION-CLAP         roberta-base   pooler       77
    (2211.06687)       bert-base-...  pooler       77
    ..                 bart-base      mean_padded  77
    MS-CLAP 2022       bert-base-...  cls          100
    MS-CLAP 2023       gpt2           last         77         `` <|endoftext|>``
    CLIP of OpenAI     openai/clip... last         77
    ================== ============== ============ ========== =====================

    Captions are padded to the longest of the batch, which changes nothing, except for
    ``mean_padded``, whose mean goes over the padding too: all captions are padded to
    ``max_tokens`` there. Longer ones are cut. Of an encoder-decoder (BART), the encoder
    is taken; of CLIP, the text model. A frozen tower runs without dropout and without a
    graph.

    Arguments
    ---------
    source : str or Path
        A folder with ``config.json`` and the tokenizer (``sentencepiece.model`` or
        transformers' files), or a name on the Hugging Face hub.
    pretrained : bool
        Whether the weights are there too and are loaded; otherwise the tower starts
        from random ones.
    pooling : str
        ``pooler``, ``cls`` (first token), ``mean``, ``last`` (last token) or
        ``mean_padded``.
    max_tokens : int
        Longer captions are cut to this.
    suffix : str
        What each caption is to end with, where the tokenizer does not see to that.
    freeze : bool
        Keep all parameters as they are, without dropout.
    gradient_checkpointing : bool
        Recompute each layer in the backward pass.
    strip_punctuation : bool
        Take lower case and a space for each sign of punctuation, as WavCaps does.

    Raises
    ------
    TextSourceError
        If the files are neither here nor to be fetched.
    ValueError
        If the pooling is unknown, or more tokens are asked for than the tower has
        positions.

    Example
    -------
    >>> import json
    >>> from clap_sb.encoders.sentencepiece_tokenizer import train_sentencepiece
    >>> folder = getfixture("tmp_path")
    >>> train_sentencepiece(["a dog barks", "rain on a roof"], folder, 50)
    >>> config = {
    ...     "model_type": "roberta",
    ...     "vocab_size": 50,
    ...     "hidden_size": 16,
    ...     "num_hidden_layers": 1,
    ...     "num_attention_heads": 2,
    ...     "intermediate_size": 32,
    ...     "max_position_embeddings": 80,
    ... }
    >>> _ = (folder / "config.json").write_text(json.dumps(config))
    >>> tower = TransformersText(folder, pretrained=False)
    >>> tower(["a dog", "rain on a roof"]).shape
    torch.Size([2, 16])
    """

    def __init__(
        self,
        source: str | Path,
        pretrained: bool = True,
        pooling: str = "pooler",
        max_tokens: int = 77,
        suffix: str = "",
        freeze: bool = False,
        gradient_checkpointing: bool = False,
        strip_punctuation: bool = False,
    ):
        if pooling not in POOLINGS:
            raise ValueError(f"pooling is one of {sorted(POOLINGS)}, not {pooling!r}")
        folder = fetch(source)
        padded = pooling == "mean_padded"
        tokenize = CaptionTokenizer.from_folder(folder, max_tokens, suffix, padded)
        tokenize = replace(tokenize, strip_punctuation=strip_punctuation)
        super().__init__(tokenize, freeze)
        self.pool = POOLINGS[pooling]
        self.config = _read_config(folder)
        self.model = _load_model(folder, self.config, pretrained, pooling == "pooler")
        self.embedding_dim = self.model.config.hidden_size
        self._check_length(max_tokens)
        if gradient_checkpointing:
            self._checkpoint_layers()
        self.freeze_if_asked()

    def _checkpoint_layers(self) -> None:
        if isinstance(self.model, Bert):
            self.model.gradient_checkpointing = True
        else:
            checkpoint_layers(self.model)

    def _check_length(self, max_tokens: int) -> None:
        config = self.model.config
        if not hasattr(config, "max_position_embeddings"):
            return  # positions are relative: captions of any length
        positions = config.max_position_embeddings
        if config.model_type in ("roberta", "xlm-roberta", "camembert"):
            positions -= config.pad_token_id + 1  # these count from the padding id on
        if max_tokens > positions:
            raise ValueError(
                f"max_tokens {max_tokens} is more than the {positions} positions "
                f"of this {config.model_type} tower"
            )

    def encode(self, tokens: dict[str, torch.Tensor]) -> torch.Tensor:
        """Embeds tokens, each ``[batch, tokens]``; see the base."""
        return self.pool(self.model(**tokens), tokens["attention_mask"])

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


def _read_config(folder: Path):
    own = BertConfig.read(folder)
    if own is not None:
        return own
    from transformers import AutoConfig

    # never the code that a folder may bring along: transformers would ask the user
    config = AutoConfig.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False
    )
    return config.text_config if config.model_type == "clip" else config


def _load_model(folder: Path, config, pretrained: bool, with_pooler: bool) -> nn.Module:
    """Builds the encoder; one without a use for its pooler has none.

    A pooler that nothing reads would get no gradient, and DDP would stop at it.
    """
    options = {}
    if config.model_type in ("bert", "roberta", "xlm-roberta", "camembert"):
        options["add_pooling_layer"] = with_pooler
    if isinstance(config, BertConfig):
        if not pretrained:
            return Bert(config, with_pooler)
        with torch.random.fork_rng(devices=[]):  # what follows is drawn as ever
            model = Bert(config, with_pooler)
        state = _own_state(folder, model)
        if state is None:  # weights come in many layouts, under names old and new
            state = _pretrained(folder, **options).state_dict()
        check_finite(state, str(folder))
        model.load_state_dict(state)
        return model
    if pretrained:
        model = _pretrained(folder, config=config, **options)
        check_finite(model.state_dict(), str(folder), dict(model.named_buffers()))
    else:
        import_without_torchaudio()
        from transformers import AutoModel

        model = AutoModel.from_config(config, trust_remote_code=False, **options)
    return model.get_encoder() if config.is_encoder_decoder else model


def _own_state(folder: Path, model: Bert) -> dict[str, torch.Tensor] | None:
    """The weights, where a file has them all under our names; no import is waited for.

    Others in it (a pooler that is of no use here) are left out.
    """
    path = folder / "model.safetensors"
    if not path.is_file():
        return None
    from safetensors import safe_open

    state = {}
    with safe_open(path, "pt") as file:
        there = set(file.keys())
        for name, value in model.state_dict().items():
            if name not in there:
                return None
            state[name] = file.get_tensor(name)
            if state[name].dtype != value.dtype:
                return None
    return state


def _pretrained(folder: Path, **options) -> nn.Module:
    import_without_torchaudio()
    from transformers import AutoModel

    return AutoModel.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False, **options
    )
