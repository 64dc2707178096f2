"""Text lists with and without a byte order mark, in files and as they come."""

from __future__ import annotations

import json

import pytest

from clap_sb.data.labels_csv import read_label_set
from clap_sb.data.text_file import lines_of, read_lines, without_mark
from clap_sb.evaluation.prompts import read_descriptions, read_templates
from clap_sb.inference.calibration import Calibration
from clap_sb.inference.labels import read_labels

MARK = b"\xef\xbb\xbf"


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_mark_is_no_part_of_the_first_line(tmp_path, end):
    path = tmp_path / "list.txt"
    content = [MARK + b"A {label}.", b"", "  wüff {label}\u2028x ".encode()]
    path.write_bytes(end.join([*content, MARK + b"joined {label}", b""]))
    expected = ["A {label}.", "wüff {label}\u2028x", "joined {label}"]
    assert read_lines(path) == expected
    assert read_templates(str(path)) == tuple(expected)
    assert read_label_set(path) == expected
    assert list(read_labels(path, "{label}").names) == expected


@pytest.mark.parametrize("suffix", ["csv", "json", "yaml"])
def test_a_mark_before_labels_and_descriptions(tmp_path, suffix):
    texts = {
        "csv": "dog,It barks.\nrain,It drips.\n",
        "json": '{\n\t"dog": "It barks.",\n\t"rain": ["It drips."]\n}',
        "yaml": "dog: It barks.\nrain: It drips.\n",
    }
    path = tmp_path / f"labels.{suffix}"
    path.write_bytes(MARK + texts[suffix].encode())
    labels = read_labels(path)
    assert labels.names == ("dog", "rain")
    assert labels.texts == (("It barks.",), ("It drips.",))


def test_a_calibration_may_have_been_saved_anew(tmp_path):
    path = tmp_path / "c.json"
    Calibration.uniform(["dog"]).write(path)
    before = Calibration.read(path)
    path.write_bytes(MARK + path.read_bytes())
    assert Calibration.read(path) == before


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "cp1252"])
def test_other_encodings_are_named(tmp_path, encoding):
    path = tmp_path / "list.txt"
    path.write_bytes("dog\nwüff {label}\n".encode(encoding))
    said = r"list\.txt.*save it as UTF-8"
    for read in (read_lines, read_label_set, read_labels, read_descriptions):
        with pytest.raises(ValueError, match=said):
            read(path)
    with pytest.raises(ValueError, match=said):
        read_templates(str(path))


def test_lines_come_one_by_one():
    def stream():
        yield MARK + b"a dog\r\n"
        yield b"\r\n"
        yield b"rain\n"
        raise AssertionError("nobody has asked for more")

    lines = lines_of(stream(), "the standard input")
    assert [next(lines), next(lines)] == ["a dog", "rain"]
    with pytest.raises(ValueError, match="the standard input is text in UTF-16"):
        next(lines_of(["dog\n".encode("utf-16")], "the standard input"))
    with pytest.raises(ValueError, match="the standard input, line 2: the byte 0xfc"):
        list(lines_of([b"dog\n", "wüff\n".encode("latin-1")], "the standard input"))
    with pytest.raises(ValueError, match="UTF-16"):
        without_mark(b"\xff\xfed\0", "list")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"dog": "It barks.", "rain": "x", "dog": "It growls."}'),
        ("a.yaml", "dog: It barks.\nrain: x\ndog: It growls.\n"),
    ],
)
def test_a_label_that_is_described_twice_is_named(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=rf"(?s){name}.*dog"):
        read_descriptions(tmp_path / name)


def test_a_label_is_a_word_whatever_else_it_means(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("no: Somebody says no.\non: [A switch.]\n")
    assert list(read_descriptions(path)) == ["no", "on"]
    path.write_text(json.dumps({"dog": " "}))
    with pytest.raises(ValueError, match="'dog' has no sentence"):
        read_descriptions(path)


def test_labels_with_a_header_and_with_semicolons(tmp_path):
    path = tmp_path / "labels.csv"
    for text in ("label\ndog\nrain\n", "dog\n\nrain,\n"):
        path.write_text(text)
        assert read_labels(path).names == ("dog", "rain")
    path.write_text('Label,description\ndog,"Barks, loud"\n')
    assert read_labels(path).texts == (("Barks, loud",),)
    path.write_text("dog;It barks\nrain;It drips\n")
    with pytest.raises(ValueError, match="semicolons"):
        read_labels(path)
    path.write_text("label;description\ndog;It barks\n")
    with pytest.raises(ValueError, match="semicolons"):
        read_labels(path)
    path.write_text("dog; puppy\ncat; kitten\n")
    assert read_labels(path).names == ("dog; puppy", "cat; kitten")
    path.write_text("dog,It barks, loud\nrain,It drips\n")
    with pytest.raises(ValueError, match="line 1: there are 3 values for 2"):
        read_labels(path)


@pytest.mark.parametrize(
    ("text", "names", "texts"),
    [
        (",label\n0,dog\n1,rain\n", ("dog", "rain"), None),
        (",label,description\n0,dog,It barks\n", ("dog",), (("It barks",),)),
        ("description,label\nIt barks,dog\n", ("dog",), (("It barks",),)),
        (" Label , DESCRIPTION\ndog,It barks\n", ("dog",), (("It barks",),)),
        ("label,description\ndog,\nrain,nan\n", ("dog", "rain"), None),
        ("description\ndog\n", ("description", "dog"), None),
    ],
)
def test_a_header_in_any_order_and_with_an_index(tmp_path, text, names, texts):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    labels = read_labels(path, "A {label}.")
    assert labels.names == names
    assert labels.texts == (texts or tuple((f"A {name}.",) for name in names))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "name,description\ndog,It barks\n",
            "must have the columns label; it has name",
        ),
        ("label,sentence\ndog,It barks\n", "leave sentence out"),
        ("index,label\n0,dog\n", "leave index out"),
        ("label,description\ndog,It barks\n,It drips\n", "line 3 has no label"),
        (",label\n0,dog\n1,nan\n", "line 3 has no label"),
        (",It barks\n", "line 1 has no label"),
        ("label\n", "no label below its header"),
    ],
)
def test_a_row_without_a_label_is_named(tmp_path, text, said):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"labels\.csv.*{said}"):
        read_labels(path)
