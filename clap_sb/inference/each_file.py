"""Files embedded one by one, while the next ones are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from clap_sb.clips import joined_windows
from clap_sb.data.audio_file import AudioError, AudioFile
from clap_sb.inference.ahead import side_by_side, threads
from clap_sb.inference.audio_input import is_independent
from clap_sb.inference.encoded_ahead import encoded_ahead
from clap_sb.inference.listener import READERS
from clap_sb.inference.windows import grouped, read_windows

if TYPE_CHECKING:
    from clap_sb.data.audio_file import AudioSource
    from clap_sb.inference.encoder import Encoder


@dataclass(frozen=True, eq=False)
class FileEmbedding:
    """What became of a file.

    Arguments
    ---------
    embedding : torch.Tensor or None
        ``[joint_dim]``, unit norm, on the CPU.
    remarks : tuple of str
        What is worth telling about the file.
    error : AudioError or None
        Why it cannot be used.
    """

    embedding: torch.Tensor | None = None
    remarks: Sequence[str] = ()
    error: AudioError | None = None


@dataclass(frozen=True, eq=False)
class _Part:
    """What is known of a file once some of its windows are read."""

    is_last: bool = True
    remarks: Sequence[str] = ()
    error: AudioError | None = None


@torch.no_grad()
def embed_each(
    clap: Encoder, sources: Sequence[AudioSource], batch_size: int = 16
) -> Iterator[FileEmbedding]:
    """Embeds files, each by itself: one that cannot be read does not stop the others.

    Reading runs in threads, some files ahead of the tower. The numbers are those of
    ``clap.embed_files`` for the file alone.

    Arguments
    ---------
    clap : Encoder
        The model.
    sources : sequence of path or open file
        The files.
    batch_size : int
        Windows of a file that go through the tower at once.

    Yields
    ------
    FileEmbedding
        One for each file, in order.
    """
    streams = (_parts(clap, source, batch_size) for source in sources)
    together = 2 * READERS if all(map(is_independent, sources)) else 1
    total, count = None, 0
    with (
        threads(READERS) as pool,
        closing(side_by_side(pool, streams, together)) as parts,
        closing(encoded_ahead(clap, parts)) as embedded,
    ):
        for part, rows in embedded:
            for row in rows:
                total = row if total is None else total + row
                count += 1
            if part.error is not None:
                yield FileEmbedding(error=part.error)
            elif part.is_last:
                (row,) = joined_windows(total[None], torch.tensor([count]))
                yield FileEmbedding(row, part.remarks)
            else:
                continue
            total, count = None, 0


def _parts(
    clap: Encoder, source: AudioSource, batch_size: int
) -> Iterator[tuple[_Part, list[torch.Tensor]]]:
    """Groups of windows of a file; none if it cannot be read, or not to its end."""
    try:
        with AudioFile(source, clap.sample_rate) as file:
            size = clap.model.clip_samples
            if clap.model.takes_whole_clips:
                size = max(size, file.num_samples)
            groups = grouped(read_windows(file, size, at_once=batch_size), batch_size)
            group = next(groups)
            for following in groups:
                yield _Part(is_last=False), group
                group = following
            yield _Part(remarks=file.remarks), group
    except AudioError as error:
        yield _Part(error=error), []
