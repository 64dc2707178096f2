"""Tagging over time: what sounds when, or none of the labels."""

from __future__ import annotations

import json
import weakref
from dataclasses import replace

import pytest
import soundfile
import torch
from builders import CLIP_SAMPLES, SAMPLE_RATE, tiny_clap

from clap_sb.inference import CLAP
from clap_sb.inference.calibration import Calibration, best_threshold, read_annotations
from clap_sb.inference.encoder import Encoder
from clap_sb.inference.labels import read_labels
from clap_sb.inference.segments import Segment, find_segments
from clap_sb.inference.tag_options import TagOptions
from clap_sb.inference.tag_plot import plot_tagging, spectrogram
from clap_sb.inference.tagging import NONE, Tagger
from clap_sb.inference.time_bins import PieceMeans, bin_edges
from clap_sb.inference.window_embeddings import (
    WindowEmbeddings,
    embed_frames,
    embed_windows,
)

RATE = 8000
TONES = {"low": 300.0, "mid": 900.0, "high": 2500.0}


class Ear(Encoder):
    """Hears how much of a window's energy is in each of three tones, and a hum."""

    logit_scale = 50.0
    sample_rate = RATE
    model = type("Model", (), {"clip_samples": 4 * RATE})
    description = "an ear"
    tower_workers = 1

    def __init__(self):
        torch.nn.Module.__init__(self)

    def hear(self, windows):
        return windows

    def encode_heard(self, heard):
        return torch.stack([self._hear(window) for window in heard])

    def _hear(self, wav):
        power = torch.fft.rfft(wav).abs().square()
        each = [power[self._bins(tone, len(wav))].sum() for tone in TONES.values()]
        vector = torch.stack([*each, wav.new_tensor(1e-3)])
        return vector / vector.norm()

    @staticmethod
    def _bins(tone, size):
        middle = round(tone * size / RATE)
        return slice(middle - 2, middle + 3)

    def encode_text(self, captions):
        places = [
            next(i for i, name in enumerate(TONES) if name in text) for text in captions
        ]
        return torch.eye(4)[places]


@pytest.fixture(autouse=True)
def known_by_its_description(monkeypatch):
    """An ear has no weights to hash; models are told apart by their descriptions."""
    place = "clap_sb.inference.calibration.fingerprint"
    monkeypatch.setattr(place, lambda clap: f"hash of {clap.description}")


def tone(name: str, seconds: float) -> torch.Tensor:
    time = torch.arange(round(seconds * RATE)) / RATE
    return 0.3 * torch.sin(2 * torch.pi * TONES[name] * time)


def silence(seconds: float) -> torch.Tensor:
    return torch.zeros(round(seconds * RATE))


SOUND = torch.cat(
    [silence(1), tone("low", 2), silence(1), tone("high", 1.5), silence(1.5)]
)
EVENTS = [Segment("low", 1.0, 3.0), Segment("high", 4.0, 5.5)]
OPTIONS = TagOptions(window=0.4, hop=0.1)


def annotate(folder):
    soundfile.write(folder / "a.wav", SOUND.numpy(), RATE)
    rows = [f"a.wav,{e.start},{e.end},{e.label}" for e in EVENTS]
    soundfile.write(folder / "b.wav", tone("mid", 3).numpy(), RATE)
    soundfile.write(folder / "c.wav", silence(2).numpy(), RATE)
    rows += ["b.wav,0,3,mid", "c.wav,,,"]
    path = folder / "annotations.csv"
    path.write_text("\n".join(["file,start,end,label", *rows]))
    return path


def test_events_are_found_where_they_are():
    tagging = Tagger(Ear(), list(TONES), options=OPTIONS).tag(SOUND, RATE)
    assert [segment.label for segment in tagging.segments] == ["low", "high"]
    for segment, event in zip(tagging.segments, EVENTS, strict=True):
        assert abs(segment.start - event.start) <= 0.25
        assert abs(segment.end - event.end) <= 0.25
        assert segment.overlap(event) > 0.75 and segment.score > 0.7
    heard = [tagging.answer[place] for place in (2, 20, 35, 50)]
    assert heard == [NONE, "low", NONE, "high"]


def test_silence_and_other_sounds_are_none_of_these():
    tagging = Tagger(Ear(), ["low"], options=OPTIONS).tag(tone("mid", 2), RATE)
    assert tagging.segments == [] and set(tagging.answer) == {NONE}
    assert Tagger(Ear(), ["low"]).tag(silence(0.05), RATE).answer == [NONE]


class Sleeper(Ear):
    """Hears the low tone wherever nothing is loud, as if it had been trained so."""

    def _hear(self, wav):
        quiet = wav.abs().max() < 1e-2
        return torch.eye(4)[0] if quiet else super()._hear(wav)


def test_what_is_silent_has_no_label_whatever_the_model_hears():
    gap = TagOptions(window=0.4, hop=0.1)
    hum = SOUND + 3e-3 * torch.sin(torch.arange(len(SOUND)) * 0.5)
    deaf = Tagger(Sleeper(), list(TONES), options=replace(gap, silence_db=-torch.inf))
    assert any(
        s.label == "low" and s.start < 0.5 for s in deaf.tag(SOUND, RATE).segments
    )
    tagging = Tagger(Sleeper(), list(TONES), options=gap).tag(SOUND, RATE)
    assert [segment.label for segment in tagging.segments] == ["low", "high"]
    assert set(tagging.answer[:9] + tagging.answer[56:]) == {NONE}
    torch.testing.assert_close(
        tagging.probability.sum(1), torch.ones(len(tagging.edges) - 1)
    )
    # -53 dB: a faint sound, and one that is silence to who says so
    heard = Tagger(Sleeper(), ["low"], options=gap).tag(hum, RATE)
    assert heard.segments[0].start == 0.0
    strict = replace(gap, silence_db=-50.0)
    heard = Tagger(Sleeper(), ["low"], options=strict).tag(hum, RATE)
    assert heard.segments[0].start == pytest.approx(1.0, abs=0.11)


@pytest.mark.parametrize("frames", [False, True])
def test_a_curve_has_bins_of_some_width(frames):
    options = TagOptions(hop=0.0, frames=frames)
    with pytest.raises(ValueError, match="hop of 0 s cannot be"):
        Tagger(Ear(), list(TONES), options=options).tag(SOUND, RATE)


def test_silence_has_no_part_in_a_calibration(tmp_path):
    annotations = read_annotations(annotate(tmp_path))
    gap = TagOptions(window=4.0, hop=0.5)  # longer than an event, and silence around
    tagger = Tagger(Sleeper(), list(TONES), options=gap).calibrated(annotations)
    assert 0.0 < tagger.calibration.thresholds["low"] < 1.0
    found = {segment.label for segment in tagger.tag(SOUND, RATE).segments}
    assert found == {"low", "high"}


def test_curves_are_probabilities_and_go_into_json():
    tagging = Tagger(Ear(), list(TONES), options=OPTIONS).tag(SOUND, RATE)
    bins = len(tagging.edges) - 1
    assert tagging.probability.shape == (bins, 4)
    torch.testing.assert_close(tagging.probability.sum(1), torch.ones(bins))
    assert tagging.similarity.abs().max() <= 1.0 + 1e-6
    read = json.loads(json.dumps(tagging.as_dict()))
    assert read["segments"][0]["label"] == "low"
    assert read["segments"][0]["probability"] == tagging.segments[0].score
    assert set(read["curves"]["probability"]) == {*TONES, NONE}
    assert len(read["curves"]["probability"][NONE]) == bins


def test_a_label_is_its_descriptions():
    labels = {"buzz": "a high tone", "hum": ["a low tone", "low"]}
    tagging = Tagger(Ear(), labels, options=OPTIONS).tag(SOUND, RATE)
    assert [segment.label for segment in tagging.segments] == ["hum", "buzz"]


def test_thresholds_are_learned_from_a_few_recordings(tmp_path):
    """An ear that is deaf on one side: its cosines are low, and so is the threshold."""

    class Deaf(Ear):
        def encode_heard(self, heard):
            heard = super().encode_heard(heard)
            other = torch.nn.functional.pad(0.12 * heard[:, :3], (0, 1))
            other[:, 3] = 1.0
            return other / other.norm(dim=1, keepdim=True)

    rough = Tagger(Deaf(), list(TONES), options=OPTIONS)
    assert rough.tag(SOUND, RATE).segments == []
    learned = rough.calibrated(read_annotations(annotate(tmp_path)))
    assert all(0.0 < t < 0.12 for t in learned.calibration.thresholds.values())
    segments = learned.tag(SOUND, RATE).segments
    assert [segment.label for segment in segments] == ["low", "high"]
    assert all(s.overlap(e) > 0.6 for s, e in zip(segments, EVENTS, strict=True))

    learned.calibration.write(tmp_path / "c.json")
    again = Calibration.read(tmp_path / "c.json")
    assert again == learned.calibration
    assert again.options == OPTIONS and again.model == "an ear"
    assert again.fingerprint == "hash of an ear"
    with pytest.raises(ValueError, match="'siren'"):
        again.of(["low", "siren"])


def test_a_calibration_is_of_one_model_and_one_way_to_listen(tmp_path):
    annotated = read_annotations(annotate(tmp_path))
    learned = Tagger(Ear(), list(TONES), options=OPTIONS).calibrated(annotated)
    learned.calibration.write(tmp_path / "c.json")
    calibration = Calibration.read(tmp_path / "c.json")

    class Other(Ear):
        description = "another ear"

    with pytest.raises(ValueError, match=r"another model \(an ear\).*\(another ear\)"):
        Tagger(Other(), list(TONES), calibration)
    for name, value in {
        "window": 0.5,
        "hop": 0.2,
        "frames": True,
        "frames_hop": 1.0,
    }.items():
        other = replace(OPTIONS, **{name: value})
        with pytest.raises(ValueError, match=f"not for {name} {value}"):
            Tagger(Ear(), list(TONES), calibration, other)
    # what makes a segment of a curve may change
    loud = replace(OPTIONS, threshold=0.9, min_duration=1.0, max_gap=0.0)
    assert Tagger(Ear(), list(TONES), calibration, loud).options == loud
    # and a guess is of no model
    guess = Calibration.uniform(list(TONES))
    assert Tagger(Other(), list(TONES), guess, OPTIONS).options == OPTIONS


def test_what_cannot_be_calibrated_is_named(tmp_path):
    annotated = read_annotations(annotate(tmp_path))
    tagger = Tagger(Ear(), [*TONES, "a low high"], options=OPTIONS)
    with pytest.raises(ValueError, match="none of the recordings.*'a low high'"):
        tagger.calibrated(annotated)
    path = next(iter(annotated))
    annotated[path].append(Segment("HIgh", 6.0, 7.0))
    with pytest.raises(ValueError, match="'HIgh', which is none.*nearest is 'high'"):
        Tagger(Ear(), list(TONES), options=OPTIONS).calibrated(annotated)
    (tmp_path / "c.json").write_text("[]")
    with pytest.raises(ValueError, match=r"c\.json is no calibration"):
        Calibration.read(tmp_path / "c.json")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,start,label\n", "must have the columns .*end"),
        ("file,start,end,label\na.wav,x,2,dog\n", "line 2"),
        ("file,start,end,label\n", "no file"),
        ("file,start,end,label\na.wav,0,2\n", "line 2: there are 3 values for 4"),
        ("file,start,end,label\na.wav,0,2,a, b\n", "line 2: there are 5 values for 4"),
        ("file,start,end,label\na.wav,0,2,\n", "line 2 has times, but no label"),
        ("file,start,end,label\na.wav,3,2,dog\n", "line 2: it ends at 2 s"),
        ("file,start,end,label\na.wav,nan,2,dog\n", "line 2: start is 'nan'"),
        ("file,start,end,label\na.wav,0,inf,dog\n", "line 2: end is 'inf'"),
        ("file,start,end,label\n\na.wav,-1,2,dog\n", "line 3: start is '-1'"),
        ("file;start;end;label\na.wav;0;2;dog\n", "semicolons between its columns"),
    ],
)
def test_annotations_that_make_no_sense(tmp_path, text, said):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=said):
        read_annotations(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("times", "is_right"),
    [("1,3", True), ("1,6.004", True), ("0,6.5", True), ("0,6.6", False)]
    + [("1000,3000", False), ("6,6.2", False)],
)
def test_annotations_are_of_their_recording(tmp_path, times, is_right):
    """Six seconds of it; what is rounded to whole seconds is let pass."""
    soundfile.write(tmp_path / "a.wav", silence(6).numpy(), RATE)
    path = tmp_path / "a.csv"
    path.write_text(f"file,start,end,label\na.wav,0,1,high\na.wav,{times},low\n")
    if is_right:
        assert [len(found) for found in read_annotations(path).values()] == [2]
        return
    with pytest.raises(ValueError, match=r"a\.csv, line 3: 'low' .* of 6\.000 s"):
        read_annotations(path)


@pytest.mark.parametrize("times", [(0, 4000), (3, 2), (-1, 2), (0, float("inf"))])
def test_calibration_takes_no_times_beyond_the_recording(tmp_path, times):
    annotated = read_annotations(annotate(tmp_path))
    annotated[tmp_path / "b.wav"].append(Segment("low", *times))
    with pytest.raises(ValueError, match=r"b\.wav: 'low' is annotated .* of 3\.000 s"):
        Tagger(Ear(), list(TONES), options=OPTIONS).calibrated(annotated)


@pytest.mark.parametrize("none", ["", "nan", "NaN"])
def test_a_file_without_a_label_has_gaps(tmp_path, none):
    """As tables with gaps are saved."""
    row = ",".join(["a.wav", *[none] * 3])
    (tmp_path / "a.csv").write_text(f"file,start,end,label\n{row}\n")
    assert list(read_annotations(tmp_path / "a.csv").values()) == [[]]


def test_annotated_files_are_found_as_those_of_other_lists(tmp_path):
    soundfile.write(tmp_path / "cafe\u0301.wav", silence(3).numpy(), RATE)
    text = "\ufefffile,start,end,label\r\ncaf\u00e9.wav,0,2,low\r\n"
    (tmp_path / "a.csv").write_bytes(text.encode())
    [(file, segments)] = read_annotations(tmp_path / "a.csv").items()
    assert file.is_file() and segments == [Segment("low", 0.0, 2.0)]


@pytest.mark.parametrize("seed", range(5))
def test_the_best_threshold_is_that_of_a_plain_search(seed):
    generator = torch.Generator().manual_seed(seed)
    similarity = (10 * torch.rand(40, generator=generator)).round() / 10
    is_label = torch.rand(40, generator=generator) < similarity

    def f1(threshold):
        taken = similarity > threshold
        hits = (taken & is_label).sum()
        return 2 * hits / (taken.sum() + is_label.sum())

    found = f1(best_threshold(similarity, is_label))
    best = max(f1(t / 100 - 0.05) for t in range(1, 115, 1))
    torch.testing.assert_close(found, best)


def test_segments_against_a_plain_search():
    generator = torch.Generator().manual_seed(0)
    for size in (1, 2, 7, 40):
        curve = torch.rand(size, 1, generator=generator)
        edges = torch.arange(size + 1, dtype=torch.float64)
        inside, expected = False, []
        for place, value in enumerate([*curve.flatten().tolist(), 0.0]):
            if value > 0.5 and not inside:
                expected.append([place, None])
            elif value <= 0.5 and inside:
                expected[-1][1] = place
            inside = value > 0.5
        found = find_segments(curve, edges, ["x"])
        assert [[s.start, s.end] for s in found] == expected


def test_short_gaps_are_closed_and_short_segments_dropped():
    curve = torch.tensor([0.0, 1, 0, 1, 1, 0, 0, 0, 1, 0]).view(-1, 1)
    edges = bin_edges(1.0, 0.1)
    found = find_segments(curve, edges, ["x"], min_duration=0.2, max_gap=0.1)
    assert [(round(s.start, 3), round(s.end, 3)) for s in found] == [(0.1, 0.5)]
    found = find_segments(curve, edges, ["x"], max_gap=0.35)
    assert [(round(s.start, 3), round(s.end, 3)) for s in found] == [(0.1, 0.9)]


def test_overlap_is_intersection_over_union():
    assert Segment("a", 0, 2).overlap(Segment("b", 1, 4)) == pytest.approx(0.25)
    assert Segment("a", 0, 1).overlap(Segment("a", 2, 3)) == 0.0
    assert Segment("a", 1, 3).overlap(Segment("a", 1, 3)) == 1.0


def test_bins_average_over_the_pieces_that_cover_them():
    generator = torch.Generator().manual_seed(0)
    start = torch.arange(0, 3.0, 0.25, dtype=torch.float64)
    pieces = WindowEmbeddings(start, start + 0.9, torch.zeros(len(start), 1))
    values = torch.rand(len(start), 2, generator=generator)
    edges = bin_edges(pieces.end.max().item(), 0.2)
    means = PieceMeans(edges, 2)
    for part in torch.arange(len(start)).split(5):
        some = WindowEmbeddings(start[part], start[part] + 0.9, torch.zeros(5, 1))
        means.add(values[part], some)
    for row, low, high in zip(means.result(), edges[:-1], edges[1:], strict=True):
        middle = (low + high) / 2
        inside = (pieces.start <= middle) & (middle < pieces.end)
        torch.testing.assert_close(row, values[inside].mean(0))


@pytest.fixture(scope="module")
def clap(tmp_path_factory):
    return CLAP(tiny_clap(tmp_path_factory.mktemp("text")))


def noise(samples: int) -> torch.Tensor:
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(0))


def test_frames_are_the_parts_of_windows(clap):
    wav = noise(CLIP_SAMPLES + 7000)
    found = embed_frames(clap, wav, SAMPLE_RATE, hop=1.0, batch_size=2)
    tower, model = clap.model.audio_encoder, clap.model
    with torch.no_grad():
        first = tower.frames(wav[None, :CLIP_SAMPLES])[0]
        last = tower.frames(wav[None, 7000:])[0]
        parts = model.audio_projection(torch.cat([first, last]))
    parts = torch.nn.functional.normalize(parts, dim=1)
    count = len(first)
    assert len(found.start) == 2 * count
    torch.testing.assert_close(found.embedding, parts, atol=1e-6, rtol=0)
    seconds = CLIP_SAMPLES / SAMPLE_RATE
    width = seconds / count
    assert found.start[1].item() == pytest.approx(width)
    assert found.start[count].item() == pytest.approx(7000 / SAMPLE_RATE)
    assert found.end[-1].item() == pytest.approx(len(wav) / SAMPLE_RATE)


def test_frames_of_what_was_filled_up_are_left_out(clap):
    wav = noise(CLIP_SAMPLES // 4)
    found = embed_frames(clap, wav, SAMPLE_RATE)
    assert found.end.max().item() == pytest.approx(len(wav) / SAMPLE_RATE)
    assert (found.end > found.start).all()
    with pytest.raises(ValueError, match="hop"):
        embed_frames(clap, wav, SAMPLE_RATE, hop=9.0)


def test_frames_of_a_long_sound_take_a_pass_every_half_window(clap, monkeypatch):
    """Half a minute; the bins' width has nothing to do with it."""
    heard = []
    tower = clap.model.audio_encoder
    frames = tower.frames_of_log_mel

    def counted(log_mel, longer):
        heard.append(len(log_mel))
        return frames(log_mel, longer)

    monkeypatch.setattr(tower, "frames_of_log_mel", counted)
    wav = noise(10 * CLIP_SAMPLES)
    usual = Tagger(clap, ["a dog", "rain"], options=TagOptions(frames=True))
    usual.tag(wav, SAMPLE_RATE)
    assert sum(heard) == 19
    heard.clear()
    hop = CLIP_SAMPLES / SAMPLE_RATE
    sparse = Tagger(clap, ["a dog"], options=TagOptions(frames=True, frames_hop=hop))
    sparse.tag(wav, SAMPLE_RATE)
    assert sum(heard) == 10


@pytest.mark.parametrize("frames", [False, True])
def test_what_is_heard_bit_by_bit_is_what_is_heard_at_once(clap, frames):
    wav = noise(5 * CLIP_SAMPLES + 999)
    options = TagOptions(window=1.0, hop=0.25, frames=frames)
    tagger = Tagger(clap, ["a dog barks", "rain"], options=options)
    tagging = tagger.tag(wav, SAMPLE_RATE)
    if frames:
        pieces = embed_frames(clap, wav, SAMPLE_RATE, batch_size=100)
    else:
        pieces = embed_windows(clap, wav, SAMPLE_RATE, 1.0, 0.25, batch_size=100)
    cosines = pieces.embedding @ tagger.labels.embed(clap).T
    middle = (tagging.edges[:-1] + tagging.edges[1:]) / 2
    for row, time in zip(tagging.similarity, middle, strict=True):
        inside = (pieces.start <= time) & (time < pieces.end)
        torch.testing.assert_close(row, cosines[inside].mean(0), atol=1e-5, rtol=0)


def test_no_more_than_two_batches_are_in_memory():
    """Of embeddings, as of windows, however long the sound is."""
    made = []

    class Watched(Ear):
        def encode_heard(self, heard):
            assert sum(other() is not None for other in made) <= 1
            embedding = super().encode_heard(heard)
            made.append(weakref.ref(embedding))
            return embedding

    Tagger(Watched(), list(TONES), options=OPTIONS).tag(tone("low", 15), RATE)
    assert len(made) > 5


def test_a_tower_without_frames_says_so():
    class Deaf(Ear):
        model = type("Model", (), {"audio_encoder": torch.nn.Identity()})

    with pytest.raises(ValueError, match="Identity"):
        embed_frames(Deaf(), SOUND, RATE)


@pytest.mark.parametrize("frames", [False, True])
def test_any_file_is_tagged_and_drawn(clap, frames, tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(70000).view(-1, 2).numpy(), 11025)
    options = TagOptions(window=1.0, hop=0.5, frames=frames, threshold=0.1)
    tagger = Tagger(clap, ["a dog barks", "rain", "birds sing"], options=options)
    tagging = tagger.tag(path)
    assert tagging.edges[-1].item() == pytest.approx(35000 / 11025, abs=1e-3)
    plot_tagging(clap, path, tagging, tmp_path / "a.png", title="{$tags$}")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_quiet_sound_is_drawn_darker_and_silence_black(clap, tmp_path):
    from matplotlib.image import imread

    bright = []
    for gain in (1.0, 0.1, 0.0):
        wav = gain * noise(3 * SAMPLE_RATE)
        tagging = Tagger(clap, ["a dog barks", "rain"]).tag(wav, SAMPLE_RATE)
        plot_tagging(clap, wav, tagging, tmp_path / "a.png", SAMPLE_RATE)
        image = imread(tmp_path / "a.png")[..., :3].mean(-1)
        # of the uppermost panel, away from its edges
        rows, columns = image.shape
        part = image[rows // 8 : rows // 4, columns // 4 : columns // 2]
        bright.append(part.mean())
    assert bright[0] > bright[1] + 0.05 > bright[2] + 0.1
    assert bright[2] < 0.02


@pytest.mark.parametrize("seconds", [0.01, 0.5, 2.5, 9.0, 700.0])
def test_a_spectrogram_has_as_many_columns_as_can_be_seen(clap, seconds):
    size = round(seconds * SAMPLE_RATE)
    image = spectrogram(clap, noise(size), SAMPLE_RATE)
    log_mel = clap.model.audio_encoder.log_mel
    frames = -(-size // log_mel.hop_length)
    pool = max(1, log_mel.num_frames(size) // 2000)
    assert image.shape == (-(-frames // pool), log_mel.n_mels)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.txt", "dog\n\nsea_waves\n", {"dog": "This is a sound of dog."}),
        ("a.csv", "dog\nrain\n", {"rain": "This is a sound of rain."}),
        ("a.csv", 'dog,"Barks, loud."\ndog,B.\n', {"dog": "Barks, loud."}),
        ("a.yaml", "dog: [x, y]\nrain: z\n", {"dog": "x", "rain": "z"}),
        ("a.json", '{"dog": ["x", "y"]}', {"dog": "x"}),
    ],
)
def test_labels_come_from_a_file(tmp_path, name, text, expected):
    (tmp_path / name).write_text(text)
    labels = read_labels(tmp_path / name)
    first = {n: texts[0] for n, texts in zip(labels.names, labels.texts, strict=True)}
    assert first.items() >= expected.items()


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.md", "dog"), ("a.csv", "a,b\nc\n"), ("a.json", "3"), ("a.yaml", "{")]
    + [("a.txt", ""), ("a.csv", ""), ("a.json", '{"a": 3}')],
)
def test_a_file_that_makes_no_labels_is_named(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=name):
        read_labels(tmp_path / name)
