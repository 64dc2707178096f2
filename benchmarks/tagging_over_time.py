"""How well tagging over time finds known events: their names, beginnings and ends.

Files are assembled from four clips of four classes of ESC-10 (ESC-50's layout, its
`esc10` clips), a second of silence before, between and after them. An event lasts from
the first to the last sound of its clip, since many clips are filled up with silence.
The recordings of one fold are split in two halves, so that clips cut from one recording
(``src_file``: seven of fold 5's eight crying babies are) fall into the same: files of
the first calibrate the thresholds, twenty files of the second are tagged. Several files
may hold the same clip. An event counts as found if a segment of its own label overlaps
it by half or more (IoU); segments that match no event are counted too.

    python benchmarks/tagging_over_time.py --checkpoint RUN --data ESC-10 --fold 5
"""

import argparse
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import soundfile
import torch

from clap_sb.data.audio import read_wav
from clap_sb.inference import CLAP
from clap_sb.inference.segments import Segment
from clap_sb.inference.tag_options import TagOptions
from clap_sb.inference.tag_plot import plot_tagging
from clap_sb.inference.tagging import Tagger

RATE = 44100
GAP = 1.0  # seconds
EVENTS = 4
QUIET = 1e-3  # of a clip's loudest 20 ms: -60 dB
IOU = 0.5


@dataclass(frozen=True)
class Source:
    """A clip, its class, and the recording it was cut from."""

    path: Path
    label: str
    recording: str


@dataclass(frozen=True)
class Assembled:
    """A file and what sounds in it."""

    path: Path
    events: list[Segment]


def main() -> None:
    """Assembles, calibrates, tags and prints."""
    arguments = read_arguments()
    clips = read_fold(arguments.data, arguments.fold)
    labels = sorted({clip.label for clip in clips})
    draw = random.Random(arguments.seed)
    halves = split(clips, draw)
    options = TagOptions(
        **{field.name: getattr(arguments, field.name) for field in fields(TagOptions)}
    )
    clap = CLAP.from_checkpoint(arguments.checkpoint, device=arguments.device)
    print(f"{clap.description}\n{options}")
    with tempfile.TemporaryDirectory() as folder:
        known, unknown = (
            assemble_all(half, Path(folder, name), count, draw)
            for name, half, count in (
                ("calibration", halves[0], arguments.calibration_files),
                ("test", halves[1], arguments.files),
            )
        )
        tagger = Tagger(clap, labels, None, options)
        tagger = tagger.calibrated({file.path: file.events for file in known})
        for label, threshold in tagger.calibration.thresholds.items():
            print(f"  threshold {threshold:6.3f}  {label}")
        score(tagger, unknown, arguments.plots)


def read_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--data", type=Path, required=True, help="ESC-50's layout")
    parser.add_argument("--fold", type=int, default=5, help="whose clips are heard")
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--calibration-files", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device")
    parser.add_argument("--plots", type=Path, help="folder for a picture of each file")
    standard = TagOptions()
    parser.add_argument("--frames", action="store_true")
    numbers = (
        "window",
        "hop",
        "frames_hop",
        "silence_db",
        "threshold",
        "min_duration",
        "max_gap",
    )
    for name in numbers:
        default = getattr(standard, name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=default)
    return parser.parse_args()


def read_fold(folder: Path, fold: int) -> list[Source]:
    """The clips of one fold."""
    import pandas

    table = pandas.read_csv(folder / "meta" / "esc50.csv")
    table = table[(table.fold == fold) & table.esc10]
    rows = zip(table.filename, table.category, table.src_file, strict=True)
    return [
        Source(folder / "audio" / name, label, str(recording))
        for name, label, recording in rows
    ]


def split(
    clips: Sequence[Source], draw: random.Random
) -> tuple[dict[str, list[Path]], dict[str, list[Path]]]:
    """Half of each class's clips, and the other half, of other recordings."""
    halves: tuple[dict, dict] = ({}, {})
    for label in sorted({clip.label for clip in clips}):
        recordings: dict[str, list[Path]] = {}
        for clip in clips:
            if clip.label == label:
                recordings.setdefault(clip.recording, []).append(clip.path)
        if len(recordings) < 2:
            raise SystemExit(f"all clips of {label} in this fold are of one recording")
        first, second = (half.setdefault(label, []) for half in halves)
        groups = list(recordings.values())
        draw.shuffle(groups)
        for group in sorted(groups, key=len, reverse=True):
            (first if len(first) < len(second) else second).extend(group)
    return halves


def assemble_all(
    clips: dict[str, list[Path]], name: Path, count: int, draw: random.Random
) -> list[Assembled]:
    """Writes files of four different classes each, all classes alike often."""
    labels: list[str] = []
    files = []
    for number in range(count):
        while len(set(labels)) < EVENTS:
            labels += draw.sample(sorted(clips), len(clips))
        chosen = list(dict.fromkeys(labels))[:EVENTS]
        for label in chosen:
            labels.remove(label)
        events = [(label, draw.choice(clips[label])) for label in chosen]
        files.append(assemble(events, Path(f"{name}{number}.wav")))
    return files


def assemble(clips: Sequence[tuple[str, Path]], path: Path) -> Assembled:
    """Writes a file of some clips, with silence around each."""
    gap = torch.zeros(round(GAP * RATE))
    parts, events, time = [gap], [], GAP
    for label, clip in clips:
        wav = read_wav(clip, RATE)
        first, last = extent(wav)
        events.append(Segment(label, time + first, time + last))
        parts += [wav, gap]
        time += len(wav) / RATE + GAP
    soundfile.write(path, torch.cat(parts).clamp(-1, 1).numpy(), RATE)
    return Assembled(path, events)


def extent(wav: torch.Tensor) -> tuple[float, float]:
    """From when to when a clip is not silent, in seconds."""
    size = RATE // 50
    blocks = wav[: len(wav) // size * size].view(-1, size).square().mean(1).sqrt()
    loud = (blocks > QUIET * blocks.max()).nonzero().flatten()
    return loud[0].item() * size / RATE, (loud[-1].item() + 1) * size / RATE


def score(tagger: Tagger, files: Sequence[Assembled], plots: Path | None) -> None:
    """Tags the files and prints what was found."""
    found, wrong, total = [], 0, 0
    for file in files:
        tagging = tagger.tag(file.path)
        hits = [best(event, tagging.segments) for event in file.events]
        found.append(sum(overlap >= IOU for overlap in hits))
        extra = [s for s in tagging.segments if not matches(s, file.events)]
        wrong, total = wrong + len(extra), total + len(tagging.segments)
        print(f"{file.path.name}: {found[-1]} of {EVENTS}")
        for event, overlap in zip(file.events, hits, strict=True):
            print(
                f"  {event.start:6.2f} {event.end:6.2f}  {event.label:16} "
                f"IoU {overlap:.2f}"
            )
        for segment in extra:
            print(
                f"  {segment.start:6.2f} {segment.end:6.2f}  {segment.label:16} "
                f"matches nothing (score {segment.score:.2f})"
            )
        if plots is not None:
            plots.mkdir(parents=True, exist_ok=True)
            picture = plots / f"{file.path.stem}.png"
            title = ", ".join(
                f"{e.label} {e.start:.1f}-{e.end:.1f} s" for e in file.events
            )
            plot_tagging(tagger.clap, file.path, tagging, picture, title=title)
    print(
        f"\n{sum(found) / len(files):.2f} of {EVENTS} events a file named right with "
        f"IoU >= {IOU}, on average over {len(files)} files; {wrong} of {total} "
        "segments match no event"
    )


def best(event: Segment, segments: Sequence[Segment]) -> float:
    """The largest overlap of an event with a segment of its label."""
    own = [segment for segment in segments if segment.label == event.label]
    return max((event.overlap(segment) for segment in own), default=0.0)


def matches(segment: Segment, events: Sequence[Segment]) -> bool:
    """Whether a segment is an event: its label, and half of it in common."""
    return any(
        event.label == segment.label and event.overlap(segment) >= IOU
        for event in events
    )


if __name__ == "__main__":
    main()
