"""Pictures and videos in the space of a model that learned CLIP's."""

from __future__ import annotations

import io
import json
import shutil

import numpy as np
import pytest
import torch
from builders import CAPTIONS, CLIP_SAMPLES, SAMPLE_RATE, tiny_clap, tiny_htsat
from PIL import Image
from scripts import TRAIN, command, run_script
from small_clip import (
    JOINT_DIM,
    SIDE,
    clip_model,
    features,
    pictures,
    save_clip,
    write_clip,
)

from clap_sb.checkpoints.architecture import Architecture, Part, TextTower
from clap_sb.checkpoints.clip_in_export import locate_clip, take_clip_along
from clap_sb.cli import main
from clap_sb.data.builtin import write_audiocaps
from clap_sb.data.video import sample_frames
from clap_sb.encoders.clip_joint_text import CLIP_SPACE, ClipJointText
from clap_sb.encoders.projection import MLPProjection
from clap_sb.inference import CLAP
from clap_sb.model import CLAP as Model
from clap_sb.objectives.info_nce import InfoNCE
from clap_sb.objectives.logit_scale import LogitScale

SYSTEM = "hparams/htsat_clip_joint.yaml"
SMALL = {
    "embed_dim": 8,
    "depths": "[1, 1, 1, 1]",
    "num_heads": "[1, 1, 2, 2]",
    "joint_dim": JOINT_DIM,
    "number_of_epochs": 1,
    "batch_size": 4,
    "warmup_steps": 1,
    "num_resamples": 20,
    "device": "cpu",
    "noprogressbar": None,
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def run(clip, tmp_path_factory):
    """A run of the recipe on a few sounds that lie in a folder, as real data does."""
    place = tmp_path_factory.mktemp("joint")
    data = write_audiocaps(place / "data", 8, 4, 4, seed=2)
    settings = {**SMALL, "clip": clip, "data_folder": data, "output_folder": place}
    finished = run_script(TRAIN, command(SYSTEM, settings), place / "log")
    assert finished.code == 0, finished.output
    assert f"text tower: {clip}, pretrained" in finished.output
    return place


@pytest.fixture(scope="module")
def trained(run):
    return CLAP.from_checkpoint(run)


def joint(folder, clip, audio=None, **options) -> CLAP:
    """The same kind of model, from a folder, untrained."""
    audio = tiny_htsat() if audio is None else audio
    tower = ClipJointText(folder, clip, JOINT_DIM, **options)
    head = MLPProjection(audio.embedding_dim, JOINT_DIM)
    model = Model(audio, tower, head, torch.nn.Identity(), LogitScale())
    return CLAP(model, freeze_params=False)


def near(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert torch.pdist(found).min() > 0.05, "the test has no power"


def test_captions_lie_where_clip_has_them(trained, clip):
    near(trained.encode_text(CAPTIONS), features(clip, captions=CAPTIONS))


def test_pictures_lie_where_clip_has_them(trained, clip):
    near(trained.encode_image(pictures()), features(clip, images=pictures()))


def test_sounds_and_pictures_can_be_compared(trained):
    audio = trained.encode_audio(torch.randn(2, 48000), 48000)
    similarity = trained.similarity(audio, trained.encode_image(pictures(3)))
    assert similarity.shape == (2, 3) and similarity.abs().max() <= 1 + 1e-5


def test_an_export_takes_its_clip_along(run, clip, tmp_path):
    moved = shutil.copytree(run / "export", tmp_path / "moved")
    again = tmp_path / "again"
    expected = features(clip, images=pictures())
    gone = clip.rename(clip.with_name("gone"))
    try:
        near(CLAP.from_hparams(moved).encode_image(pictures()), expected)
        assert main(["convert", str(moved), str(again)]) == 0
        shutil.rmtree(moved)
        near(CLAP.from_checkpoint(again).encode_image(pictures()), expected)
    finally:
        gone.rename(clip)
    for path in [*again.rglob("*.json"), again / "hyperparams.yaml"]:
        text = path.read_text(encoding="utf-8")
        assert str(clip) not in text and str(tmp_path) not in text


def test_a_clip_that_has_a_name_is_not_copied(tmp_path):
    tower, head = Part("clap_sb.encoders.htsat.HTSAT"), Part("torch.nn.Identity")
    text = TextTower(tower, {CLIP_SPACE: "owner/clip"}, "its own")
    named = Architecture("ours", "small", tower, head, 12, text)
    assert take_clip_along(named, tmp_path) == named == locate_clip(named, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_may_come_in_any_form(trained, tmp_path):
    array = pictures(1)[0]
    image = Image.fromarray(array)
    path = tmp_path / "picture.png"
    image.save(path)
    held = io.BytesIO(path.read_bytes())
    forms = [array, image, path, str(path), held, torch.from_numpy(array)]
    found = trained.encode_image(forms)
    for row in found:
        torch.testing.assert_close(
            row, trained.encode_image(array)[0], atol=1e-6, rtol=0
        )


def test_a_picture_lies_the_same_whatever_is_beside_it(trained):
    together = trained.encode_image(pictures(5))
    alone = torch.cat([trained.encode_image(picture) for picture in pictures(5)])
    torch.testing.assert_close(alone, together, atol=1e-6, rtol=0)
    few = trained.images.encode(pictures(5), batch_size=2)
    torch.testing.assert_close(few, together, atol=1e-6, rtol=0)


def test_a_picture_on_its_side_is_turned_as_its_camera_says(trained, tmp_path):
    image = Image.fromarray(pictures(1)[0])
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    image.rotate(90, expand=True).save(tmp_path / "p.png", exif=exif)
    turned = trained.encode_image(tmp_path / "p.png")
    torch.testing.assert_close(turned, trained.encode_image(image), atol=1e-5, rtol=0)
    lying = trained.encode_image(image.rotate(90, expand=True))
    assert (turned - lying).abs().max() > 0.05
    opened = trained.encode_image(Image.open(tmp_path / "p.png"))
    assert torch.equal(opened, turned)


def test_what_is_too_large_or_broken_is_named(trained, tmp_path, monkeypatch):
    path = tmp_path / "p.png"
    Image.fromarray(pictures(1)[0]).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ValueError, match=r"p\.png is too large a picture"):
        trained.encode_image(path)
    held = io.BytesIO(path.read_bytes())
    held.name = "dropped"
    with pytest.raises(ValueError, match="dropped is too large a picture"):
        trained.encode_image(held)
    monkeypatch.undo()
    noise = np.random.RandomState(0).randint(0, 255, (400, 400, 3), np.uint8)
    Image.fromarray(noise).save(path)
    content = bytearray(path.read_bytes())
    content[content.rindex(b"IDAT")] = 1  # of a chunk that is read late
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"p\.png cannot be read: broken PNG"):
        trained.encode_image(path)


# ---------------------------------------------------------------- videos


COLOURS = [(200, 30, 30), (30, 180, 40), (40, 40, 210), (220, 210, 60)]


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Four seconds, one colour each."""
    av = pytest.importorskip("av")
    path = tmp_path_factory.mktemp("video") / "colours.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for colour in COLOURS:
            for _ in range(10):
                frame = av.VideoFrame.from_image(Image.new("RGB", (64, 48), colour))
                container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_frames_are_taken_evenly(video, count):
    frames = sample_frames(video, count)
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * count
    expected = [COLOURS[int((i + 0.5) / count * 4)] for i in range(count)]
    for frame, colour in zip(frames, expected, strict=True):
        assert abs(frame.mean((0, 1)) - colour).max() < 12


def test_a_video_lies_at_the_mean_of_its_pictures(trained, video):
    single = trained.encode_image(sample_frames(video, 4))
    mean = torch.nn.functional.normalize(single.mean(0, keepdim=True), dim=-1)
    found = trained.encode_video(video, num_frames=4)
    torch.testing.assert_close(found, mean, atol=1e-6, rtol=0)
    assert trained.encode_video([video, video]).shape == (2, JOINT_DIM)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read"),
        (b"no video at all", "cannot be read"),
        (None, "no file"),
    ],
)
def test_what_is_no_video_is_named(content, message, trained, tmp_path):
    pytest.importorskip("av")
    path = tmp_path / "broken.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        trained.encode_video(path)
    assert "broken.mp4" in str(caught.value)


def test_a_sound_is_no_video(trained, tmp_path):
    pytest.importorskip("av")
    import soundfile

    soundfile.write(tmp_path / "a.wav", torch.zeros(8000).numpy(), 8000)
    with pytest.raises(ValueError, match=r"a\.wav holds no pictures"):
        trained.encode_video(tmp_path / "a.wav")


# ---------------------------------------------------------------- what is refused


def test_a_model_of_another_space_takes_no_pictures(tmp_path):
    clap = CLAP(tiny_clap(tmp_path))
    with pytest.raises(ValueError, match="space is not that of a CLIP"):
        clap.encode_image(pictures())


def test_a_model_from_random_weights_takes_no_pictures(clip):
    clap = joint(clip, clip, pretrained=False)
    with pytest.raises(ValueError, match="random weights"):
        clap.encode_image(pictures())


def test_another_clip_is_refused(clip, tmp_path):
    other = write_clip(tmp_path / "other", seed=1)
    clap = joint(clip, clip)
    with pytest.raises(ValueError, match="other is not the CLIP whose space"):
        clap.encode_image(pictures(), clip=other)
    named = clap.encode_image(pictures(), clip=clip)
    assert torch.equal(named, clap.encode_image(pictures()))


@pytest.mark.parametrize(
    "kinds, usable",
    [
        ({"image_processor_type": "CLIPImageProcessorFast"}, True),
        ({"feature_extractor_type": "CLIPFeatureExtractor"}, True),
        ({}, True),
        ({"image_processor_type": "SiglipImageProcessor"}, False),
    ],
)
def test_pictures_are_prepared_as_a_clip_s_are_or_refused(tmp_path, kinds, usable):
    clip = write_clip(tmp_path / "clip")
    expected = joint(clip, clip).encode_image(pictures())
    path = clip / "preprocessor_config.json"
    values = json.loads(path.read_text())
    del values["image_processor_type"]
    path.write_text(json.dumps(values | kinds))
    if usable:
        assert torch.equal(joint(clip, clip).encode_image(pictures()), expected)
    else:
        with pytest.raises(ValueError, match="names a SiglipImageProcessor"):
            joint(clip, clip).encode_image(pictures())


def test_a_text_tower_that_was_trained_on_is_refused(clip):
    clap = joint(clip, clip, freeze=False)
    with torch.no_grad():
        clap.model.text_encoder.model.text_projection.weight.mul_(1.001)
    with pytest.raises(ValueError, match="not kept frozen"):
        clap.encode_image(pictures())


@pytest.mark.parametrize(
    ("place", "message"),
    [("/no/where/clip", "no folder here"), ("owner/clip", "the hub does not give it")],
)
def test_a_clip_that_is_gone_is_asked_for(clip, place, message, monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    clap = joint(clip, place)
    with pytest.raises(OSError, match=message) as caught:
        clap.encode_image(pictures())
    assert place in str(caught.value) and "clip=" in str(caught.value)
    assert clap.encode_image(pictures(), clip=clip).shape == (3, JOINT_DIM)


def test_half_a_clip_is_refused(clip, tmp_path):
    clap = joint(clip, clip)
    clap.model.text_encoder.save_source(tmp_path / "text")
    with pytest.raises(ValueError, match="no whole CLIP"):
        clap.encode_image(pictures(), clip=tmp_path / "text")


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([], "no picture"),
        (torch.rand(8, 8, 3), "uint8"),
        (torch.zeros(8, 8, dtype=torch.uint8), "height, width, 3"),
    ],
)
def test_what_is_no_picture_is_refused(images, message, trained):
    with pytest.raises(ValueError, match=message):
        trained.encode_image(images)


def test_a_clip_of_another_width_names_the_setting(clip):
    with pytest.raises(ValueError, match="--joint_dim 12"):
        ClipJointText(clip, clip)


def test_another_tower_is_no_clip(tmp_path):
    from builders import write_text_source

    with pytest.raises(ValueError, match="holds a roberta model"):
        ClipJointText(write_text_source(tmp_path), "x", pretrained=False)


# ---------------------------------------------------------------- what it is for


def test_sounds_are_found_by_pictures_that_they_were_never_trained_with(tmp_path):
    """A CLIP learns four captions with four pictures; sounds learn the captions."""
    names = ["red", "green", "blue", "yellow"]
    images = [Image.new("RGB", (SIDE, SIDE), colour) for colour in COLOURS]
    write_learned_clip(tmp_path, names, images)
    torch.manual_seed(0)
    clap = joint(tmp_path, tmp_path)
    time = torch.arange(CLIP_SAMPLES) / SAMPLE_RATE
    pitches = torch.tensor([200.0, 600.0, 1500.0, 3000.0])
    wavs = 0.3 * torch.sin(2 * torch.pi * pitches[:, None] * time)
    model = clap.model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer, objective = torch.optim.Adam(trained, lr=2e-3), InfoNCE()
    wavs += 0.01 * torch.randn_like(wavs)
    for _ in range(40):
        objective(*model(wavs, None, names), model.logit_scale).backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
    audio = clap.encode_audio(wavs, SAMPLE_RATE)
    similarity = clap.similarity(audio, clap.encode_image(images))
    assert similarity.argmax(0).tolist() == [0, 1, 2, 3], "sounds by picture"
    assert similarity.argmax(1).tolist() == [0, 1, 2, 3], "pictures by sound"


def write_learned_clip(folder, names, images) -> None:
    from transformers import CLIPProcessor

    torch.manual_seed(0)
    model = clip_model()
    save_clip(model, folder)
    processor = CLIPProcessor.from_pretrained(folder, backend="pil")
    inputs = processor(text=names, images=images, padding=True, return_tensors="pt")
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(80):
        model(**inputs, return_loss=True).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    save_clip(model, folder)
