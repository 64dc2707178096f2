"""A T5 model that turns keywords into sentences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from clap_sb.data.debias import debias
from clap_sb.data.sentence_cache import SentenceCache
from clap_sb.hub import HubError, fetch_snapshot
from clap_sb.progress import progress

_PATTERNS = ("*.json", "*.txt", "*.model", "*.safetensors", "pytorch_model.bin")
_BATCH = 32


class KeywordModel:
    """Makes sentences of keywords with a T5, as 2211.06687 does (keyword-to-caption).

    The model is one that was trained to put given words into a sentence; it reads them
    with spaces between. Beam search draws nothing: the same keywords give the same
    sentences. What it says is freed of guesses at gender, see
    :func:`~clap_sb.data.debias.debias`.

    Arguments
    ---------
    source : str or Path
        A folder as transformers' ``save_pretrained`` writes it, or a name on the hub,
        such as ``mrm8488/t5-base-finetuned-common_gen``.
    num_beams : int
        Width of the beam search.
    max_tokens : int
        Length of a sentence, at most.
    device : str or torch.device
        Where the model runs.

    Raises
    ------
    HubError
        If there is no such folder, and the hub does not give the model.
    """

    def __init__(
        self,
        source: str | Path,
        num_beams: int = 4,
        max_tokens: int = 40,
        device: str | torch.device = "cpu",
    ):
        from transformers import AutoTokenizer, T5ForConditionalGeneration

        folder = _fetch(source)
        self.source = str(source)
        self.num_beams = num_beams
        self.max_tokens = max_tokens
        self.tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        self.model = T5ForConditionalGeneration.from_pretrained(
            folder, local_files_only=True
        )
        self.model.eval().to(device)

    def __call__(
        self,
        keywords: Sequence[Sequence[str]],
        count: int = 1,
        cache: Path | None = None,
    ) -> list[tuple[str, ...]]:
        """Makes sentences.

        Arguments
        ---------
        keywords : sequence of sequence of str
            The keywords of each clip.
        count : int
            How many sentences a clip, at most; equal ones are folded.
        cache : Path, optional
            A file that is added to after each batch: what it holds is not made again.

        Returns
        -------
        list of tuple of str
        """
        texts = [" ".join(words).replace("_", " ") for words in keywords]
        maker = f"{self.source}, {count} of {self.num_beams}, {self.max_tokens}"
        said = SentenceCache(cache, maker)
        new = sorted(set(texts) - said.known.keys(), key=lambda text: (len(text), text))
        starts = range(0, len(new), _BATCH)
        for start in progress(starts, about="Captions from keywords", unit="batch"):
            batch = new[start : start + _BATCH]
            said.add(dict(zip(batch, self._generate(batch, count), strict=True)))
        return [said.known[text] for text in texts]

    def _generate(self, texts: list[str], count: int) -> list[tuple[str, ...]]:
        tokens = self.tokenizer(texts, padding=True, return_tensors="pt")
        tokens = tokens.to(self.model.device)
        with torch.inference_mode():
            output = self.model.generate(
                input_ids=tokens["input_ids"],
                attention_mask=tokens["attention_mask"],
                do_sample=False,
                num_beams=max(self.num_beams, count),
                num_return_sequences=count,
                max_new_tokens=self.max_tokens,
            )
        decoded = self.tokenizer.batch_decode(output, skip_special_tokens=True)
        said = [debias(" ".join(text.split())) for text in decoded]
        return [
            tuple(dict.fromkeys(filter(None, said[i : i + count])))
            for i in range(0, len(said), count)
        ]


def _fetch(source: str | Path) -> Path:
    folder = Path(source)
    if (folder / "config.json").is_file():
        return folder
    try:
        return fetch_snapshot(str(source), _PATTERNS)
    except HubError as error:
        raise HubError(
            f"the keyword-to-caption model {str(source)!r} is neither a folder here "
            f"(with config.json) nor to be had from the hub ({error}). Give a local "
            "folder, or make captions without a model: keyword_captions templates"
        ) from error
