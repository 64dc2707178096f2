"""Embedding whole clips: batches, workers and bad files change nothing."""

from __future__ import annotations

import pytest
import soundfile
import torch
from builders import CAPTIONS, CLIP_SAMPLES, SAMPLE_RATE, tiny_clap

from clap_sb.data.audio import read_wav
from clap_sb.data.manifest import Clip
from clap_sb.data.whole_clips import WholeClipDataset, WindowCollate
from clap_sb.evaluation.embedding import Embedder, embed_captions, embed_clips

LENGTHS = [5000, 50003, CLIP_SAMPLES, 41000, 700]


@pytest.fixture(scope="module")
def clap(tmp_path_factory):
    return tiny_clap(tmp_path_factory.mktemp("clap"))


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Five clips that can be read, one of them silent, and one that cannot be."""
    folder = tmp_path_factory.mktemp("clips")
    generator = torch.Generator().manual_seed(0)
    made = []
    for index, length in enumerate(LENGTHS):
        wav = 0.1 * torch.randn(length, generator=generator) * (index != 3)
        if index == 1:
            wav[:CLIP_SAMPLES] = 0.0  # silent at first is not silent
        path = folder / f"{index}.wav"
        soundfile.write(path, wav.numpy(), SAMPLE_RATE)
        captions = tuple(CAPTIONS[: index % 3 + 1])
        made.append(Clip(f"c{index}", str(path), length / SAMPLE_RATE, captions))
    broken = folder / "broken.wav"
    broken.write_bytes(b"RIFF")
    made.insert(2, Clip("broken", str(broken), 1.0, ("never heard",)))
    return made


def near(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("batch_size", [1, 2, 6])
def test_clips_equal_the_model_on_each_by_itself(clap, clips, batch_size):
    embedded = embed_clips(clap, clips, batch_size=batch_size)
    readable = [clip for clip in clips if clip.id != "broken"]
    assert embedded.clips == readable
    audio = [
        clap.encode_audio(read_wav(clip.path, SAMPLE_RATE)[None]) for clip in readable
    ]
    near(embedded.audio, torch.cat(audio))
    captions = [caption for clip in readable for caption in clip.captions]
    assert embedded.captions == captions
    near(embedded.text, torch.cat([clap.encode_text([text]) for text in captions]))
    owner = [i for i, clip in enumerate(readable) for _ in clip.captions]
    assert embedded.caption_clip.tolist() == owner
    assert list(embedded.unreadable) == ["broken"]
    assert "broken.wav" in embedded.unreadable["broken"]
    assert embedded.silent == ["c3"]


def test_few_windows_at_once_change_nothing(clap, clips):
    collate = WindowCollate(CLIP_SAMPLES)
    dataset = WholeClipDataset(clips, SAMPLE_RATE)
    batch = collate([dataset[index] for index in range(len(clips))])
    found = [
        Embedder(clips, max_windows=windows).add(clap, batch)[0]
        for windows in (1, 3, 100)
    ]
    near(found[0], found[2])
    near(found[1], found[2])


def test_captions_can_be_left_out(clap, clips):
    embedded = embed_clips(clap, clips, with_captions=False)
    assert embedded.captions == [] and embedded.text.shape == (0, 12)
    assert embedded.caption_clip.shape == (0,)
    near(embedded.audio, embed_clips(clap, clips).audio)


def test_clips_without_captions(clap, clips):
    bare = [Clip(clip.id, clip.path, clip.duration) for clip in clips]
    embedded = embed_clips(clap, bare)
    assert len(embedded.audio) == 5 and embedded.text.shape == (0, 12)


def test_workers_and_the_mode_change_nothing(clap, clips):
    expected = embed_clips(clap, clips)
    clap.train()
    helped = embed_clips(clap, clips, batch_size=2, num_workers=1)
    assert not clap.training
    near(helped.audio, expected.audio)
    near(helped.text, expected.text)


def test_the_global_generator_is_left_alone(clap, clips):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    embed_clips(clap, clips)
    assert torch.equal(torch.get_rng_state(), state)


def test_no_graph_is_kept(clap, clips):
    embedded = embed_clips(clap, clips[:1])
    assert not embedded.audio.requires_grad and not embedded.text.requires_grad


@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_captions_equal_the_model_on_each(clap, batch_size):
    found = embed_captions(clap, CAPTIONS, batch_size)
    near(found, torch.cat([clap.encode_text([text]) for text in CAPTIONS]).detach())


def test_nothing_readable_is_an_error_that_tells_why(clap, clips):
    with pytest.raises(ValueError, match="not one clip could be embedded.*broken.wav"):
        embed_clips(clap, [clips[2]])
