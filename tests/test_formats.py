"""Sounds in every format: their length, spans of them, and what is refused."""

import io
import os
import struct

import av
import numpy as np
import pytest
import sound_files
import soundfile
import torch
from builders import tiny_clap
from sound_files import add_video, encode, make, recording

from clap_sb.data.audio import AudioFile, probe, probe_to_end, read_wav
from clap_sb.data.audio_source import AudioError
from clap_sb.data.ffmpeg_decoder import FFmpegDecoder
from clap_sb.inference import CLAP

# Frames of the encoder's delay and padding that come back, where a file cannot tell of
# them: as both libsndfile and FFmpeg have it.
EXTRA = {
    "bare_vbr.mp3": (1105, 3000),
    "bare_cbr.mp3": (1105, 3000),
    "mp3_in.wav": (1105, 3000),
    "layer2.mp2": (481, 2000),
    "bare.aac": (1024, 3000),
    # before 8.1, FFmpeg does not take out what Matroska says of the encoder's delay
    "aac.mka": (0, 1024)
    if av.library_versions["libavformat"] >= (62, 12)
    else (1024, 2048),
    "ac3.ac3": (256, 2000),
    "wma.wma": (-2048, 4096),
    "adpcm.wav": (0, 2048),
    "g721.wav": (0, 200),
    "nms.wav": (0, 200),
    "gsm.wav": (0, 640),
    # FFmpeg rounds what it writes about the end to milliseconds
    "aac.m4a": (0, 45),
    "aac.mp4": (0, 45),
    "aac.mov": (0, 45),
}
LOSSLESS = (
    "pcm16.wav pcm24.wave float.wav extensible.wav pcm.aiff pcm.au pcm.caf alac.caf "
    "pcm.w64 pcm.rf64 pcm.nist flac.flac streamed.flac flac_in.oga alac.m4a flac.mkv "
    "alac_by_ffmpeg.caf wavpack.wv tta.tta"
).split()


def offset(wav, reference, most=5000):
    """By how many samples one comes later than the other."""
    size = 1 << (2 * max(len(wav), len(reference)) - 1).bit_length()
    spectrum = np.fft.rfft(wav, size) * np.conj(np.fft.rfft(reference, size))
    correlation = np.fft.irfft(spectrum)
    lags = np.r_[0 : most + 1, size - most : size]
    lag = int(lags[np.argmax(correlation[lags])])
    return lag if lag <= most else lag - size


@pytest.mark.parametrize("seconds", [3.0, 2.3456])
@pytest.mark.parametrize("name", sound_files.NAMES)
def test_length_and_first_sample(tmp_path, name, seconds):
    path, wav, rate = make(tmp_path, name, seconds)
    delay, most = EXTRA.get(name, (0, 0))
    info = probe_to_end(path)
    heard = read_wav(path, rate).numpy()
    assert len(heard) == round(info.duration * rate)
    assert info == probe(path)
    assert (info.sample_rate, info.num_channels) == (rate, wav.shape[1])
    assert abs(len(heard) - len(wav)) <= most
    assert offset(heard, wav.mean(1)) == delay


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_formats_have_the_samples_that_were_written(tmp_path, name):
    path, wav, rate = make(tmp_path, name, 1.2345)
    rounding = 1e-7 if name == "float.wav" else 2**-15
    assert np.abs(read_wav(path, rate).numpy() - wav.mean(1)).max() <= rounding


@pytest.mark.parametrize("new_rate", [None, 32000])
@pytest.mark.parametrize("name", sound_files.NAMES)
def test_spans_are_those_of_the_whole(tmp_path, name, new_rate):
    path, _, rate = make(tmp_path, name, 8.0)
    rate = new_rate or rate
    whole = read_wav(path, rate)
    random = np.random.default_rng(0)
    with AudioFile(path, rate) as kept_open:
        for _ in range(12):
            begin = int(random.integers(0, len(whole) - 1))
            end = min(len(whole), begin + int(random.integers(1, rate)))
            with AudioFile(path, rate) as anew:
                for file in (anew, kept_open):
                    span = file.read(begin, end)
                    assert len(span) == end - begin
                    assert (span - whole[begin:end]).abs().max() <= 1e-6
    tail = read_wav(path, rate, start=(len(whole) - 50) / rate)
    assert (tail - whole[-50:]).abs().max() <= 1e-6


@pytest.mark.parametrize("rate", [48000, 44100, 32000, 22050, 16000, 8000])
@pytest.mark.parametrize("options", [{"bit_rate": 32000}, {"options": sound_files.VBR}])
def test_mp3_without_a_header_is_heard_to_its_end(tmp_path, rate, options):
    loud, soft = recording(1, rate, 1), 0.01 * recording(6, rate, 1)
    wav = np.concatenate([loud, soft])
    path = encode(
        tmp_path / "a.mp3", wav, rate, "libmp3lame", "mp3", piped=True, **options
    )
    heard = read_wav(path, rate)
    assert 0 <= len(heard) - len(wav) < 4 * 1152
    assert probe(path).duration == len(heard) / rate


def test_joined_mp3s_are_heard_to_the_end_of_the_last(tmp_path):
    parts = []
    for seed, options in enumerate(({"bit_rate": 64000}, {"options": sound_files.VBR})):
        path = tmp_path / f"{seed}.mp3"
        wav = recording(2, 44100, 2, seed)
        encode(path, wav, 44100, "libmp3lame", "mp3", **options)
        parts.append(path.read_bytes())
    joined = tmp_path / "joined.mp3"
    joined.write_bytes(parts[0] + b"TAG" + bytes(125) + parts[1])
    heard = read_wav(joined, 44100).numpy()
    assert 0 <= len(heard) - 4 * 44100 < 4 * 1152
    second = recording(2, 44100, 2, 1).mean(1)
    assert 0 <= offset(heard[2 * 44100 :], second) < 4 * 1152


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("seconds", [(2.0, 3.0), (30.0, 2.5, 0.3)])
def test_chained_ogg_is_heard_to_the_end_of_the_last(tmp_path, subtype, seconds):
    parts = []
    for seed, length in enumerate(seconds):
        path = tmp_path / f"{seed}.ogg"
        wav = recording(length, 48000, 2, seed)
        soundfile.write(path, wav, 48000, format="OGG", subtype=subtype)
        parts.append(path)
    chained = tmp_path / "chained.ogg"
    chained.write_bytes(b"".join(path.read_bytes() for path in parts))
    alone = torch.cat([read_wav(path, 48000) for path in parts])
    assert torch.equal(read_wav(chained, 48000), alone)
    border = round(seconds[0] * 48000)
    with AudioFile(chained, 48000) as file:
        span = file.read(border - 1000, border + 1000)
    assert (span - alone[border - 1000 : border + 1000]).abs().max() <= 1e-6
    assert torch.equal(read_wav(io.BytesIO(chained.read_bytes()), 48000), alone)


@pytest.mark.parametrize("frames", [100, 4096, 5000, 44100])
def test_alac_in_caf_whose_last_packet_counts_as_full_is_whole(tmp_path, frames):
    """As all releases of FFmpeg up to 8.0 write it."""
    wav = recording(frames / 44100, 44100)
    path = encode(tmp_path / "a.caf", wav, 44100, "alac", "caf")
    packets = -(-frames // 4096)
    content = bytearray(path.read_bytes())
    at = content.index(b"pakt") + 12
    assert struct.unpack_from(">q", content, at) == (packets,)
    struct.pack_into(">qii", content, at + 8, 4096 * packets, 0, 0)
    path.write_bytes(content)
    heard = read_wav(path, 44100).numpy()
    assert len(heard) == frames
    assert np.abs(heard - wav.mean(1)).max() <= 2**-15
    if packets > 1:  # its table of packets stands at the end: one is taken out before
        del content[content.index(b"data") + 4096 :]
        path.write_bytes(content)
        with pytest.raises(AudioError, match="cut short|corrupt|cannot be decoded"):
            probe_to_end(path)


def test_itunes_length_ends_the_sound(tmp_path):
    path, wav, rate = make(tmp_path, "aac.m4a", 2.0)
    told = len(wav) - 700
    note = f" 00000000 00000400 00000000 {told:016X} 00000000 00000000".encode()
    path.write_bytes(with_itunes_note(path.read_bytes(), note))
    assert len(read_wav(path, rate)) == told


def with_itunes_note(content: bytes, note: bytes) -> bytes:
    """Puts iTunes' note on gapless playback into an MP4 file that ends with moov."""

    def atom(kind, *parts):
        body = b"".join(parts)
        return struct.pack(">I", 8 + len(body)) + kind + body

    empty = bytes(4)
    freeform = atom(
        b"----",
        atom(b"mean", empty, b"com.apple.iTunes"),
        atom(b"name", empty, b"iTunSMPB"),
        atom(b"data", struct.pack(">II", 1, 0), note),
    )
    handler = atom(b"hdlr", bytes(8), b"mdirappl", bytes(9))
    meta = atom(b"udta", atom(b"meta", empty, handler, atom(b"ilst", freeform)))
    at = content.rindex(b"moov") - 4
    (size,) = struct.unpack(">I", content[at : at + 4])
    assert at + size == len(content)
    old = content.rindex(b"udta") - 4
    return atom(b"moov", content[at + 8 : old], meta).join([content[:at], b""])


def test_sound_of_a_video(tmp_path):
    sound, *_ = make(tmp_path, "aac.mp4", 2.0)
    path = add_video(sound, tmp_path / "clip.mp4")
    assert torch.equal(read_wav(path, 44100), read_wav(sound, 44100))


def test_wav_named_otherwise_is_decoded_by_what_it_is(tmp_path):
    path, wav, rate = make(tmp_path, "aac.m4a")
    renamed = path.rename(tmp_path / "x.wav")
    assert len(read_wav(renamed, rate)) == len(wav)


def test_open_files_are_read_from_their_beginning_and_stay_open(tmp_path):
    for name in ("aac.m4a", "bare_vbr.mp3", "vorbis.ogg", "gsm.wav", "pcm16.wav"):
        path, _, rate = make(tmp_path, name)
        whole = read_wav(path, rate)
        with open(path, "rb") as file:
            file.seek(100)
            for _ in range(2):
                assert torch.equal(read_wav(file, rate), whole)
            assert not file.closed


def test_a_file_is_surveyed_once(tmp_path, monkeypatch):
    from clap_sb.data import sound

    path, *_ = make(tmp_path, "bare_cbr.mp3")
    first = probe(path)
    monkeypatch.setattr(sound, "choose_decoder", None)  # would fail if it were called
    assert probe(path) == first
    monkeypatch.undo()
    make(tmp_path, "bare_cbr.mp3", seconds=1.0)
    assert probe(path).duration < 2


def test_memory_of_an_unknown_length_is_bounded(tmp_path):
    """Ten minutes of headerless MP3 are counted in blocks of half a minute."""
    import tracemalloc

    wav = np.tile(recording(10, 8000, 1), (60, 1))
    path = encode(
        tmp_path / "long.mp3", wav, 8000, "libmp3lame", "mp3", 8000, piped=True
    )
    tracemalloc.start()
    assert probe(path).duration == pytest.approx(600, abs=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12e6  # all of it are 19.2 MB


def test_embeddings_are_those_of_the_file_alone_in_any_batch(tmp_path):
    """One recording in all formats; amplified weights, so that a shift would show."""
    clap = CLAP(tiny_clap(tmp_path))
    made = {name: make(tmp_path, name, 9.0) for name in sound_files.NAMES}
    paths = [path for path, *_ in made.values()]
    rows = {size: clap.embed_files(paths, batch_size=size) for size in (1, 16)}
    assert (rows[1] - rows[16]).abs().max() <= 1e-6
    alone = torch.cat([clap.embed_files([path]) for path in paths])
    assert (alone - rows[16]).abs().max() <= 1e-6
    of = dict(zip(made, rows[16], strict=True))
    for name in LOSSLESS:
        assert of[name] @ of["float.wav"] > 1 - 1e-4, name
    for name in ("vorbis.ogg", "vbr.mp3", "header.mp3", "aac.m4a", "aac.mp4"):
        assert of[name] @ of["float.wav"] > 0.97, name
    wav = made["float.wav"][1]
    shifted = clap.encode_audio([wav[1105:].mean(1)], 44100)[0]
    assert shifted @ of["float.wav"] < 0.999  # what is compared can tell


@pytest.mark.parametrize("name", ["low.mp3", "vbr.mp3", "header.mp3", "vorbis.ogg"])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_whole_is_what_one_read_and_ffmpeg_give(tmp_path, name, channels):
    """soundfile seeks behind each block that is read, and lands wrong."""
    path, _, rate = make(tmp_path, name, 30.0, channels)
    at_once, _ = soundfile.read(path, dtype="float32", always_2d=True)
    whole = read_wav(path, rate).numpy()
    assert np.abs(whole - at_once.mean(1)).max() <= 1e-6
    by_ffmpeg = FFmpegDecoder(path).read(0, len(whole)).mean(1)
    assert np.abs(whole - by_ffmpeg).max() <= 1e-4


def test_bytes_between_the_parts_of_an_ogg_file_are_skipped(tmp_path):
    path, _, rate = make(tmp_path, "vorbis.ogg", 2.0)
    alone = read_wav(path, rate)
    path.write_bytes(path.read_bytes() + b"x" * 50 + path.read_bytes())
    assert torch.equal(read_wav(path, rate), torch.cat([alone, alone]))


def test_another_file_of_the_same_name_size_and_time_is_heard_anew(tmp_path):
    wav = recording(1, 8000, 1)
    path = tmp_path / "a.wav"
    soundfile.write(path, np.concatenate([wav, wav], 1), 8000)
    assert not probe(path).remarks
    status = os.stat(path)
    soundfile.write(tmp_path / "b.wav", np.concatenate([wav, -wav], 1), 8000)
    os.utime(tmp_path / "b.wav", ns=(status.st_atime_ns, status.st_mtime_ns))
    os.replace(tmp_path / "b.wav", path)
    assert "cancel" in probe(path).remarks[0]


@pytest.mark.parametrize("between", [bytes(300), b"junk" * 500])
def test_what_lies_between_a_tag_and_the_first_frame_is_skipped(tmp_path, between):
    path, wav, rate = make(tmp_path, "cbr.mp3", 2.0)
    content = path.read_bytes()
    size = 10 + int.from_bytes(content[8:10], "big")
    assert content.startswith(b"ID3")
    path.write_bytes(content[:size] + between + content[size:])
    assert len(read_wav(path, rate)) == len(wav)


@pytest.mark.parametrize("rate", [48000, 44100, 24000, 22050, 16000, 8000])
def test_spans_of_mp3_at_the_lowest_bit_rates(tmp_path, rate):
    """There a frame's bits lie farthest before it."""
    wav = recording(25, rate, 1)
    bit_rate = 32000 if rate >= 32000 else 8000
    path = encode(tmp_path / "a.mp3", wav, rate, "libmp3lame", "mp3", bit_rate)
    whole = read_wav(path, rate)
    assert abs(len(whole) - len(wav)) < 30  # as LAME has noted it
    random = np.random.default_rng(0)
    with AudioFile(path, rate) as file:
        for begin in (0, *random.integers(0, len(wav) - 2000, 40), len(wav) - 2000):
            span = file.read(int(begin), int(begin) + 2000)
            assert (span - whole[begin : begin + 2000]).abs().max() <= 1e-6


@pytest.mark.parametrize("name", ["mp3_in.wav", "aac.m4a", "aac.mka"])
def test_tags_need_not_be_utf8(tmp_path, name):
    path, _, rate = make(tmp_path, name, 1.0)
    content = path.read_bytes()
    assert b"Lavf" in content
    heard = read_wav(path, rate)
    path.write_bytes(content.replace(b"Lavf", b"La\xe8f"))
    assert torch.equal(read_wav(path, rate), heard)
