"""The best and the worst retrieved captions: what a score looks like."""

from __future__ import annotations

from clap_sb.evaluation.embedding import Embedded
from clap_sb.evaluation.retrieval import Retrieval


def best_and_worst(
    embedded: Embedded, retrieval: Retrieval, count: int = 3
) -> dict[str, list[dict[str, object]]]:
    """Picks captions whose clip was found first and most clearly, and last.

    Arguments
    ---------
    embedded : Embedded
        Clips and captions.
    retrieval : Retrieval
        Their ranks.
    count : int
        How many of each.

    Returns
    -------
    dict
        Two tables, with the caption, the rank of its clip (from 1), the similarity,
        and the clip that came first with a caption of it.
    """
    similarity = (embedded.text * embedded.audio[embedded.caption_clip]).sum(1)
    ranks = retrieval.text_to_audio_ranks
    order = sorted(
        range(len(ranks)), key=lambda i: (int(ranks[i]), -float(similarity[i]))
    )
    first_caption = {
        int(clip): embedded.captions[i]
        for i, clip in reversed(list(enumerate(embedded.caption_clip)))
    }

    def row(index: int) -> dict[str, object]:
        found = int((embedded.audio @ embedded.text[index]).argmax())
        return {
            "caption": embedded.captions[index],
            "rank": int(ranks[index]) + 1,
            "similarity": round(float(similarity[index]), 3),
            "first answer": f"{embedded.clips[found].id}: {first_caption[found]}",
        }

    return {
        "Best retrieved captions": [row(index) for index in order[:count]],
        "Worst retrieved captions": [row(index) for index in order[-count:][::-1]],
    }
