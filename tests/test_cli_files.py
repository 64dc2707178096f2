"""What commands make of files: names of any kind, a bad one among good ones, pipes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch
from builders import SAMPLE_RATE
from small_run import write_run

from clap_sb.checkpoints.run_export import export_run
from clap_sb.cli import main
from clap_sb.cli.main import parse
from clap_sb.cli.standard_input import listed
from clap_sb.data import audio_file

LATIN = os.fsdecode(b"Pi\xe8ce.wav")


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    run = tmp_path_factory.mktemp("run")
    write_run(run, tmp_path_factory.mktemp("source"), {1: 20.0})
    return str(export_run(run))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with two sounds, which the process is in."""
    generator = torch.Generator().manual_seed(0)
    for name in ("a.wav", "b.wav"):
        wav = 0.1 * torch.randn(20000, generator=generator)
        soundfile.write(tmp_path / name, wav.numpy(), SAMPLE_RATE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def stdin(monkeypatch):
    def give(content: bytes) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))

    return give


@pytest.fixture
def remark(monkeypatch):
    """Gives a file of a name something that is worth telling."""

    def on(name: str, *said: str) -> None:
        init = audio_file.AudioFile.__init__

        def remarked(self, source, sample_rate):
            init(self, source, sample_rate)
            if self.name.endswith(name):
                self.remarks = said

        monkeypatch.setattr(audio_file.AudioFile, "__init__", remarked)

    return on


def embed(export: str, *words: str) -> list[str]:
    return ["embed", "--checkpoint", export, "--json", *words]


def names_in(printed: str) -> list[str]:
    return [json.loads(line)["path"] for line in printed.splitlines()]


def write_wav(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)


# ------------------------------------------------------------- one file and the others


def test_each_file_that_cannot_be_read_is_named_and_counted(export, here, capsys):
    for name in ("x.wav", "y.wav", "z.raw"):
        write_wav(name, b"\x01\x00" * 500)
    files = ["x.wav", "a.wav", "y.wav", "z.raw", "gone.wav", "b.wav"]
    assert main(embed(export, *files)) == 1
    said = capsys.readouterr()
    assert names_in(said.out) == ["a.wav", "b.wav"]
    lines = said.err.splitlines()
    assert len(lines) == 5 and all(line.startswith("clap-sb: ") for line in lines)
    for line, name in zip(lines, ("x.wav", "y.wav", "z.raw", "gone.wav"), strict=False):
        assert name in line
    assert lines[-1] == "clap-sb: 4 of 6 files cannot be used"


@pytest.mark.skipif(sys.platform != "linux", reason="names are Unicode")
def test_a_name_that_is_not_utf8_is_a_file_like_others(export, here, capsys):
    with open("a.wav", "rb") as file:
        write_wav(LATIN, file.read())
    assert main([*embed(export, LATIN, "a.wav"), "--out", "out.npz"]) == 0
    assert names_in(capsys.readouterr().out) == [LATIN, "a.wav"]
    with np.load("out.npz") as found:
        assert found["name"].tolist() == [LATIN, "a.wav"]
        np.testing.assert_array_equal(*found["embedding"])
    for words in (["tag", "--label", "dog"], ["caption"]):
        assert main([*words, "--checkpoint", export, LATIN, "b.wav"]) == 0
        said = capsys.readouterr().out
        assert "Pi\ufffdce.wav\n" in said and "b.wav\n" in said


@pytest.mark.skipif(sys.platform != "linux", reason="names are Unicode")
def test_a_bad_file_whose_name_is_not_utf8_is_named(export, here, capsys):
    write_wav(LATIN, b"no sound")
    assert main(embed(export, LATIN, "a.wav")) == 1
    said = capsys.readouterr()
    assert names_in(said.out) == ["a.wav"] and "Pi\ufffdce.wav" in said.err


def test_a_terminal_without_the_characters_loses_no_line(export, here):
    os.rename("a.wav", "\u97f3.wav")
    words = ["caption", "--checkpoint", export, "\u97f3.wav", "b.wav", "--top", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "clap_sb.cli", *words],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    names = [line for line in done.stdout.splitlines() if not line.startswith(b" ")]
    assert names == [b"\\u97f3.wav", b"b.wav"]


def test_calibration_goes_on_without_a_recording_that_cannot_be_read(
    export, here, capsys
):
    write_wav("x.wav", b"no sound")
    rows = "a.wav,0,1,dog\nx.wav,0,1,dog\nb.wav,0.5,2,rain\n"
    (here / "all.csv").write_text(f"file,start,end,label\n{rows}")
    (here / "good.csv").write_text("file,start,end,label\n" + rows.replace("x", "a"))
    words = ["--checkpoint", export, "--label", "dog", "--label", "rain"]
    words += ["--window", "0.5"]
    assert main(["calibrate", "all.csv", *words, "--out", "all.json"]) == 1
    said = capsys.readouterr()
    assert "thresholds from 2 recordings" in said.out and "x.wav" in said.err
    assert main(["calibrate", "good.csv", *words, "--out", "good.json"]) == 0
    assert (here / "all.json").read_text() == (here / "good.json").read_text()
    capsys.readouterr()
    (here / "bad.csv").write_text("file,start,end,label\nx.wav,0,1,dog\n")
    assert main(["calibrate", "bad.csv", *words, "--out", "bad.json"]) == 1
    said = capsys.readouterr().err
    assert "x.wav" in said and "none of the recordings can be read" in said
    assert not (here / "bad.json").exists()


# ------------------------------------------------------------------------------ remarks


@pytest.mark.parametrize("command", ["embed", "tag", "caption", "calibrate"])
def test_remarks_are_a_line_a_file(command, export, here, remark, capsys):
    remark("b.wav", "its channels cancel", "it is loud")
    words = {
        "embed": ["a.wav", "b.wav", "--json"],
        "tag": ["a.wav", "b.wav", "--label", "dog"],
        "caption": ["a.wav", "b.wav"],
        "calibrate": ["all.csv", "--label", "dog", "--out", "out.json"],
    }[command]
    rows = "a.wav,0,1,dog\nb.wav,0,1,dog\n"
    (here / "all.csv").write_text(f"file,start,end,label\n{rows}")
    assert main([command, "--checkpoint", export, *words]) == 0
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("clap-sb: ")
    assert said[0].endswith("b.wav: its channels cancel; it is loud")


# ------------------------------------------------------------------- names with a dash


@pytest.mark.parametrize(
    "words",
    [
        ["embed", "--json", "-a.wav", "b.wav", "--checkpoint", "x"],
        ["embed", "-h.wav", "--checkpoint", "x", "--json"],
        ["tag", "-a.wav", "--label", "dog", "--checkpoint", "x"],
        ["caption", "--checkpoint", "x", "-a.wav"],
        ["calibrate", "-a.wav", "--label", "x", "--out", "y", "--checkpoint", "x"],
        ["index", "-sounds", "--out", "x"],
        ["search", "x", "--audio", "-a.wav"],
        ["search", "x", "-k5.wav"],
        ["serve", "-sounds"],
        ["info", "-a.wav"],
        ["convert", "-a.wav", "out"],
        ["export", "-a.wav", "out"],
    ],
)
def test_a_file_that_looks_like_an_option_is_told(words, here, capsys):
    for name in ("-a.wav", "-h.wav", "-k5.wav", "--json"):
        (here / name).write_bytes(b"")
    (here / "-sounds").mkdir()
    with pytest.raises(SystemExit) as ended:
        parse(words)
    said = capsys.readouterr().err
    [name] = [word for word in words if word.startswith(("-a", "-h.", "-k5", "-s"))]
    assert ended.value.code == 2
    assert f"{name} is a file here" in said and f"write ./{name}, or --" in said


def test_an_option_that_is_no_file_is_a_mistake_like_any(here, capsys):
    with pytest.raises(SystemExit):
        parse(["embed", "-a.wav", "--checkpoint", "x", "--json", "--", "-b.wav"])
    assert "is a file" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["search", "ind", "-tone"],
            "-tone is a text or a file, write -- before",
        ),
        (["embed", "--checkpoint", "x", "-5.wav"], "where -5.wav is a text or a file"),
        (["tag", "a.wav", "--checkpoint", "x", "--label", "-dog"], "--label=-dog"),
        (["search", "ind", "-k", "-x"], "write -k-x"),
        (["search", "ind", "a", "--weights", "-1", "--jsn"], "where --jsn is a text"),
    ],
)
def test_a_text_that_looks_like_an_option_is_told(words, said, here, capsys):
    with pytest.raises(SystemExit):
        parse(words)
    assert said in capsys.readouterr().err


def test_an_option_in_the_place_of_a_value_is_a_mistake_like_any(here, capsys):
    with pytest.raises(SystemExit):
        parse(["tag", "a.wav", "--checkpoint", "x", "--label", "--json"])
    assert "expected one argument\n" in capsys.readouterr().err


def test_files_after_two_dashes_are_embedded(export, here, capsys):
    os.rename("a.wav", "-a.wav")
    assert main(embed(export, "--", "-a.wav", "b.wav")) == 0
    assert main(embed(export, "./-a.wav", "b.wav")) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for one, other in zip(rows[:2], rows[2:], strict=True):
        assert one["embedding"] == other["embedding"]


# ------------------------------------------------------------------ the standard input


@pytest.mark.parametrize(
    ("kind", "subtype", "rate"),
    [
        ("WAV", "PCM_16", 8000),
        ("WAV", "ULAW", 8000),
        ("W64", "PCM_16", 8000),
        ("RF64", "FLOAT", 8000),
        ("NIST", "PCM_16", 8000),
        ("NIST", "ULAW", 8000),
        ("AIFF", "PCM_24", 8000),
        ("AU", "PCM_16", 8000),
        ("CAF", "PCM_16", 8000),
        ("VOC", "PCM_16", 8000),
        ("IRCAM", "PCM_16", 8000),
        ("PAF", "PCM_16", 8000),
        ("SVX", "PCM_16", 8000),
        ("FLAC", "PCM_16", 8000),
        ("OGG", "VORBIS", 8000),
        ("OGG", "OPUS", 8000),
        ("MP3", "MPEG_LAYER_III", 8000),
        ("MP3", "MPEG_LAYER_III", 16000),
        ("MP3", "MPEG_LAYER_III", 44100),
    ],
)
@pytest.mark.parametrize("silent", [False, True])
def test_sounds_of_all_formats_are_no_lists(kind, subtype, rate, silent):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 4000)
    file = io.BytesIO()
    soundfile.write(file, noise * (not silent), rate, format=kind, subtype=subtype)
    assert listed(file.getvalue()) is None


@pytest.mark.parametrize(
    "head",
    [
        b"\xff\xfd\xe4\xc4\xdb\xbc\xbc\xbb\xbb\xbf\xff\xff",  # MP2
        b"\x00\x00\x00\x1cftypM4A \x00\x00\x02\x00",  # MP4
        b"\x00\x00\x00\x14ftypqt  \x00\x00\x02\x00",
        b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81",  # Matroska
        b"\xff\xf1L@\x1b\xdf\xfc\xde\x02\x00La",  # ADTS
        b"0&\xb2u\x8ef\xcf\x11\xa6\xd9\x00\xaa",  # ASF
        b"RIFF~\x91\x01\x00AVI LIST",
        b"#!AMR\n<\x80",
        b"wvpk\xa69\x00\x00\x10\x04\x00\x00",
        b"FLV\x01\x04\x00\x00\x00\t\x00\x00\x00",
    ],
)
def test_heads_of_other_formats_are_no_lists(head):
    """As encoders of FFmpeg write them."""
    assert listed(head) is None


def test_lists_in_all_their_forms(here):
    assert listed(b"\xef\xbb\xbfa.wav\r\nb.wav\r\n") == ["a.wav", "b.wav"]
    assert listed(b"a.wav\nb.wav") == ["a.wav", "b.wav"]
    assert listed(b"  a.wav \n\n") == ["a.wav"]
    assert listed(b"a b.wav\0c\nd.wav\0") == ["a b.wav", "c\nd.wav"]
    assert listed("\u97f3\u2028\x85.wav".encode()) == ["\u97f3\u2028\x85.wav"]
    assert listed(b"") == listed(b" \n\n") == []
    (here / " blank ").write_bytes(b"")
    assert listed(b" blank \n") == [" blank "]


@pytest.mark.skipif(sys.platform != "linux", reason="names are Unicode")
def test_a_list_of_names_that_are_not_utf8(here):
    content = b"a.wav\nPi\xe8ce.wav\n"
    assert listed(content) == ["a.wav", LATIN]
    assert listed(b"Pi\xe8ce.wav\n") is None, "no such file: it may be anything"
    write_wav(LATIN, b"")
    assert listed(b"Pi\xe8ce.wav\n") == [LATIN]


def test_a_pipe_that_is_neither_is_told_so(export, here, stdin, capsys):
    stdin(b"\x00\x01\x02 no sound")
    assert main(embed(export, "-")) == 1
    said = capsys.readouterr().err
    assert "the standard input" in said and "nor is the standard input a list" in said


def test_a_broken_sound_from_a_pipe_is_no_list(export, here, stdin, capsys):
    wav = np.zeros(800, np.float32)
    wav[400] = np.nan
    soundfile.write("nan.wav", wav, 8000, subtype="FLOAT")
    stdin((here / "nan.wav").read_bytes())
    assert main(embed(export, "-")) == 1
    said = capsys.readouterr().err
    assert "the standard input: some samples are not finite" in said
    assert "list" not in said


def test_what_is_said_of_a_file_is_a_line(export, here, capsys):
    """Whatever its name has."""
    names = ("two\nlines.wav", "three\n\nlines.wav")
    for name in names:
        write_wav(name, b"no sound")
    wav = np.sin(np.arange(8000))
    out_of_phase = np.stack([wav, -wav], axis=1)
    soundfile.write("out of\nphase.wav", out_of_phase, 8000)
    assert main(embed(export, *names, "out of\nphase.wav")) == 1
    lines = capsys.readouterr().err.splitlines()
    beginnings = (
        "out of\ufffdphase.wav: its channels cancel",
        "two\ufffdlines.wav: cannot be decoded",
        "three\ufffd\ufffdlines.wav: cannot be decoded",
        "2 of 3 files cannot be used",
    )
    for line, beginning in zip(lines, beginnings, strict=True):
        assert line.startswith(f"clap-sb: {beginning}")


@pytest.mark.parametrize("words", [["a.wav", "b.wav"], ["--text", "a dog", "rain"]])
def test_embeddings_that_are_not_finite_are_told_and_not_written(
    export, here, capsys, monkeypatch, words
):
    from clap_sb.inference.encoder import Encoder

    for name in ("encode_text", "encode_heard"):
        whole = getattr(Encoder, name)

        def broken(self, *given, whole=whole, **options):
            return whole(self, *given, **options) * np.nan

        monkeypatch.setattr(Encoder, name, broken)
    command = ["embed", "--checkpoint", export, "--out", "out.npz", *words]
    assert main(command) == 1
    assert "embedding of it is not finite" in capsys.readouterr().err
    assert not os.path.exists("out.npz")
