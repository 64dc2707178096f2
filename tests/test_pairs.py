"""Training pairs: drawn from (seed, epoch, clip) and from nothing else."""

from __future__ import annotations

import logging
import pickle

import pytest
import soundfile
import torch
from builders import CAPTIONS, SAMPLE_RATE, write_text_source
from torch.utils.data import DataLoader

from clap_sb.data import pairs as pairs_module
from clap_sb.data.audio import AudioError, read_wav
from clap_sb.data.epoch_sampler import EpochSampler
from clap_sb.data.keys import key_of
from clap_sb.data.manifest import Clip
from clap_sb.data.pairs import Pair, PairBatch, PairCollate, PairDataset
from clap_sb.encoders.caption_tokenizer import CaptionTokenizer
from clap_sb.objectives.info_nce import not_negatives

CLIP_SAMPLES = 4000


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Ten ramps, longer and shorter than a window, with one to five captions."""
    folder = tmp_path_factory.mktemp("clips")
    made = []
    for index in range(10):
        samples = 2500 + 900 * index
        ramp = torch.arange(samples) / 32768
        path = folder / f"{index}.wav"
        soundfile.write(path, ramp.numpy(), SAMPLE_RATE, subtype="PCM_16")
        captions = tuple(CAPTIONS[: 1 + index % 5])
        made.append(Clip(f"c{index}", str(path), samples / SAMPLE_RATE, captions))
    return made


def dataset_of(clips, seed: int = 1) -> PairDataset:
    return PairDataset(clips, SAMPLE_RATE, CLIP_SAMPLES, seed)


def same(one: Pair, other: Pair) -> bool:
    equal = (one.id, one.caption) == (other.id, other.caption)
    return equal and torch.equal(one.wav, other.wav)


def start_of(pair: Pair) -> int:
    """Where a ramp was cut."""
    return round(pair.wav[0].item() * 32768)


def test_a_pair_is_a_window_of_the_clip_and_one_of_its_captions(clips):
    dataset = dataset_of(clips)
    assert len(dataset) == 10
    for index, clip in enumerate(clips):
        pair = dataset[1, index]
        assert pair.id == clip.id and pair.caption in clip.captions
        whole = read_wav(clip.path, SAMPLE_RATE)
        start = start_of(pair)
        assert len(pair.wav) == min(len(whole), CLIP_SAMPLES)
        assert torch.equal(pair.wav, whole[start : start + CLIP_SAMPLES])


def test_a_pair_depends_on_seed_epoch_and_clip_alone(clips):
    dataset = dataset_of(clips)
    first = [dataset[3, index] for index in range(10)]
    torch.manual_seed(99)
    backwards = dataset_of(clips[::-1])
    for index, expected in reversed(list(enumerate(first))):
        backwards[2, 9 - index]
        assert same(backwards[3, 9 - index], expected)
    others = [dataset_of(clips, seed=2)[3, 9], dataset[4, 9]]
    assert not any(same(other, first[9]) for other in others)


def test_epochs_draw_other_windows_and_captions_evenly(clips):
    dataset = dataset_of(clips)
    drawn = [dataset[epoch, 9] for epoch in range(300)]
    starts = torch.tensor([start_of(pair) for pair in drawn]).double()
    spare = 2500 + 900 * 9 - CLIP_SAMPLES
    assert starts.min() < 0.05 * spare and 0.95 * spare < starts.max() <= spare
    assert abs(starts.mean() / spare - 0.5) < 0.1
    counts = [sum(pair.caption == text for pair in drawn) for text in CAPTIONS[:5]]
    assert sum(counts) == 300 and min(counts) > 30
    # the window does not tell the caption
    early = [pair.caption for pair in drawn if start_of(pair) < spare / 2]
    assert len(set(early)) == 5


# ---------------------------------------------------------------- unreadable files


@pytest.fixture
def warnings(monkeypatch):
    said = []
    logger = logging.getLogger("test")

    def warning(message, main_process_only):
        assert not main_process_only  # each rank comes upon files of its own
        said.append(message)

    monkeypatch.setattr(logger, "warning", warning)
    monkeypatch.setattr("speechbrain.utils.logger.get_logger", lambda name: logger)
    return said


def with_broken(clips, *places: int, tmp_path) -> list[Clip]:
    clips = list(clips)
    for place in places:
        path = tmp_path / f"broken{place}.wav"
        path.write_bytes(b"RIFF")
        clips[place] = Clip(f"bad{place}", str(path), 1.0, ("never",))
    return clips


def test_the_next_clip_takes_the_place_of_a_broken_one(clips, tmp_path, warnings):
    dataset = dataset_of(with_broken(clips, 4, 5, 9, tmp_path=tmp_path))
    assert same(dataset[1, 4], dataset[1, 6])
    assert same(dataset[1, 9], dataset[1, 0]), "after the last comes the first"
    assert len(warnings) == 3
    assert "broken4.wav" in warnings[0] and "1 so far" in warnings[0]
    assert "3 so far" in warnings[2]
    dataset[2, 4], dataset[2, 5]
    assert len(warnings) == 3, "each file is warned about once"


def test_nothing_readable_is_an_error(clips, tmp_path, warnings):
    dataset = dataset_of(with_broken(clips[:2], 0, 1, tmp_path=tmp_path))
    with pytest.raises(AudioError, match="not one of the training clips"):
        dataset[1, 0]


@pytest.mark.parametrize(("share", "bad"), [(0.3, 3), (0.0, 0), (0.05, 1)])
@pytest.mark.parametrize("workers", [0, 1])
def test_too_many_that_went_bad_are_an_error(clips, tmp_path, share, bad, workers):
    """One more than the share has, rounded up; until then, batches are full."""
    clips = with_broken(clips, *range(bad + 1), tmp_path=tmp_path)
    dataset = PairDataset(clips, SAMPLE_RATE, CLIP_SAMPLES, 1, max_unreadable=share)
    keys = [(1, place) for place in range(bad + 1, len(clips))]
    loader = DataLoader(dataset, sampler=keys, batch_size=None, num_workers=workers)
    assert len(list(loader)) == len(keys)
    keys = [(1, place) for place in range(len(clips))]
    loader = DataLoader(dataset, sampler=keys, batch_size=None, num_workers=workers)
    told = f"{bad + 1} of about 10 training clips cannot be read, and max_unreadable"
    with pytest.raises(AudioError, match=told):
        list(loader)
    with pytest.raises(ValueError, match="share of the clips, from 0 to 1, not 1.5"):
        PairDataset(clips, SAMPLE_RATE, CLIP_SAMPLES, 1, max_unreadable=1.5)


def test_a_half_broken_file_depends_on_no_history(clips, monkeypatch, warnings):
    """A file that is cut short can be read in one epoch and not in another; a run
    that was resumed must draw what an uninterrupted one draws."""

    def cut_short(path, sample_rate, start, duration):
        if path == clips[9].path and start > 0.3:
            raise AudioError(f"{path}: cut short")
        return read_wav(path, sample_rate, start, duration)

    monkeypatch.setattr(pairs_module, "read_wav", cut_short)
    uninterrupted = dataset_of(clips)
    drawn = [uninterrupted[epoch, 9] for epoch in range(20)]
    assert {pair.id for pair in drawn} == {"c9", "c0"}
    for epoch, pair in enumerate(drawn):
        assert same(dataset_of(clips)[epoch, 9], pair), f"epoch {epoch}"


def test_clips_that_cannot_be_trained_on_are_named(clips):
    with pytest.raises(ValueError, match="no clip to train on"):
        dataset_of([])
    with pytest.raises(ValueError, match="without a caption.*'mute'"):
        dataset_of([*clips, Clip("mute", "mute.wav", 1.0)])


# ---------------------------------------------------------------- batches


@pytest.fixture(scope="module")
def collate(tmp_path_factory):
    folder = write_text_source(tmp_path_factory.mktemp("t"))
    return PairCollate(CaptionTokenizer.from_folder(folder, max_tokens=77))


def test_a_batch_is_padded_and_keyed(collate):
    pairs = [
        Pair("a", torch.ones(4), "A dog barks."),
        Pair("b", torch.ones(2), "birds sing"),
        Pair("a", torch.ones(1), "a dog  barks"),
    ]
    batch = collate(pairs)
    assert batch.ids == ["a", "b", "a"]
    assert batch.wavs.tolist() == [[1] * 4, [1, 1, 0, 0], [1, 0, 0, 0]]
    assert batch.wav_lens.tolist() == [1.0, 0.5, 0.25]
    assert batch.clip_keys.tolist() == [key_of("a"), key_of("b"), key_of("a")]
    first, second, third = batch.caption_keys.tolist()
    assert first == third != second
    assert batch.captions == [pair.caption for pair in pairs]
    assert batch.caption_clip.tolist() == [0, 1, 2]
    expected = collate.tokenize(batch.captions)
    assert torch.equal(batch.tokens["input_ids"], expected["input_ids"])


def test_all_captions_of_a_clip_where_all_are_positives(clips, collate):
    every = PairDataset(clips, SAMPLE_RATE, CLIP_SAMPLES, 1, caption_policy="all")
    one = dataset_of(clips)
    for index, clip in enumerate(clips):
        pair = every[1, index]
        assert same(pair, one[1, index]), "the window and the first are those drawn"
        assert sorted((pair.caption, *pair.others)) == sorted(clip.captions)
        assert one[1, index].others == ()
    batch = collate([every[1, index] for index in (2, 0, 3)])
    assert len(batch.wavs) == 3 and len(batch.captions) == 3 + 1 + 4
    assert batch.caption_clip.tolist() == [0, 0, 0, 1, 2, 2, 2, 2]
    keys = [key_of(batch.ids[clip]) for clip in batch.caption_clip]
    assert batch.clip_keys.tolist() == keys
    assert len(batch.caption_keys) == len(batch.tokens["input_ids"]) == 8


def test_clips_of_one_class_are_no_negatives_of_each_other(collate):
    """However their captions are worded; a clip may be named like a class."""
    pairs = [
        Pair("a", torch.ones(4), "a dog barks", label="dog"),
        Pair("b", torch.ones(4), "some barking", label="dog"),
        Pair("c", torch.ones(4), "rain falls", label="rain"),
        Pair("dog", torch.ones(4), "a quiet room"),
    ]
    batch = collate(pairs)
    first, second, third, fourth = batch.clip_keys.tolist()
    assert first == second
    assert len({first, third, fourth}) == 3
    ignored = not_negatives(batch.clip_keys, batch.caption_keys)
    assert ignored.nonzero().tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    "caption",
    ["rain falls", "Rain falls.", " rain\tFALLS ", "rain falls .", "rain falls. "],
)
def test_captions_that_say_the_same_have_one_key(collate, caption):
    pairs = [Pair("a", torch.ones(2), "rain falls"), Pair("b", torch.ones(2), caption)]
    one, other = collate(pairs).caption_keys.tolist()
    assert one == other


@pytest.mark.parametrize(
    "caption", ["rain fell", "rainfalls", "rain falls, then stops"]
)
def test_captions_that_differ_have_two(collate, caption):
    pairs = [Pair("a", torch.ones(2), "rain falls"), Pair("b", torch.ones(2), caption)]
    one, other = collate(pairs).caption_keys.tolist()
    assert one != other


def equal_batches(one: PairBatch, other: PairBatch) -> bool:
    tensors = ("wavs", "wav_lens", "caption_clip", "clip_keys", "caption_keys")
    return (
        (one.ids, one.captions) == (other.ids, other.captions)
        and all(torch.equal(getattr(one, n), getattr(other, n)) for n in tensors)
        and all(torch.equal(one.tokens[n], other.tokens[n]) for n in one.tokens)
    )


def test_workers_can_be_sent_the_collate(collate, clips):
    pairs = [dataset_of(clips)[1, index] for index in range(3)]
    again = pickle.loads(pickle.dumps(collate))
    assert equal_batches(again(pairs), collate(pairs))
    assert len(pickle.dumps(collate)) < 1_000_000, "a tower travels with it"


def test_a_batch_moves_as_a_whole(collate, clips):
    batch = collate([dataset_of(clips)[1, index] for index in range(3)])
    moved = batch.to("meta")
    tensors = [moved.wavs, moved.wav_lens, moved.clip_keys, moved.caption_keys]
    tensors += moved.tokens.values()
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert moved.ids == batch.ids and batch.wavs.device.type == "cpu"


def epochs_of_batches(clips, collate, num_workers: int) -> list[list[PairBatch]]:
    sampler = EpochSampler(len(clips), seed=1)
    loader = torch.utils.data.DataLoader(
        dataset_of(clips),
        sampler=sampler,
        batch_size=4,
        drop_last=True,
        collate_fn=collate,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
    )
    epochs = []
    for epoch in (1, 2, 3):
        sampler.set_epoch(epoch)
        epochs.append(list(loader))
    return epochs


def test_workers_that_live_on_give_the_same_batches(clips, collate):
    alone = epochs_of_batches(clips, collate, num_workers=0)
    helped = epochs_of_batches(clips, collate, num_workers=1)
    for one, other in zip(alone, helped, strict=True):
        assert len(one) == 2
        assert all(equal_batches(a, b) for a, b in zip(one, other, strict=True))
    assert not equal_batches(alone[0][0], alone[1][0])
