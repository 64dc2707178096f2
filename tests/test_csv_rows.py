"""Tables: what is valid is read as it is, what is broken is named with its line."""

from __future__ import annotations

import csv

import pytest

from clap_sb.data.csv_records import Record, read_records
from clap_sb.data.csv_rows import read_rows

HEAD = "path,caption\n"
CLIPS = "".join(f"a/{i}.wav,a tone number {i}\n" for i in range(40))


def rows_of(folder, text, columns=("path", "caption"), encoding="utf-8", **options):
    (folder / "my.csv").write_bytes(text.encode(encoding))
    return read_rows(folder / "my.csv", columns, **options)


def test_what_a_writer_writes_is_read_back(tmp_path):
    rows = [
        ["path", "caption", "label"],
        ["a.wav", "A dog barks, then a cat meows", "dog;cat"],
        [" e ieio.wav", 'He says "no, no", twice ', ""],
        ["b.wav", "Rain, wind,\nand thunder, far away", "sea"],
        ["c.wav", 'A 5" pipe\r\nfalls', "fall"],
        ["d.wav", "", "d"],
    ]
    for end in ("\n", "\r\n", "\r"):
        with open(tmp_path / "my.csv", "w", newline="", encoding="utf-8-sig") as file:
            csv.writer(file, lineterminator=end).writerows(rows)
        found = read_rows(tmp_path / "my.csv", ("path", "caption", "label"))
        assert [list(row.values()) for row in found] == rows[1:]
    with open(tmp_path / "my.csv", "w", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)
    found = read_rows(tmp_path / "my.csv", ("path",))
    assert [list(row.values()) for row in found] == rows[1:]


def test_spreadsheets_leave_empty_cells_and_rows(tmp_path):
    text = "\ufeffpath,caption,,\r\na.wav,A dog,,\r\n\r\n,,,\r\n  \r\nb.wav,,,\r\n"
    a, b = rows_of(tmp_path, text)
    assert (a, b) == (
        {"path": "a.wav", "caption": "A dog"},
        {"path": "b.wav", "caption": ""},
    )
    assert b.where == f"{tmp_path / 'my.csv'}, line 6"
    [row] = rows_of(tmp_path, ",path,caption\n0,a.wav,A dog\n")  # as pandas writes it
    assert row == {"path": "a.wav", "caption": "A dog"}


def test_columns_are_known_however_their_names_are_written(tmp_path):
    text = "Path, CAPTION,Freesound-ID,other Name\na.wav,x,12,y\n"
    [row] = rows_of(tmp_path, text, optional=("freesound_id", "youtube_id"))
    assert row == {
        "path": "a.wav",
        "caption": "x",
        "freesound_id": "12",
        "other Name": "y",
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a.ogg,A dog barks, then a cat meows\n", "line 2: there are 3 values for 2"),
        (CLIPS + "a.wav,one\ntwo\n", "line 43: there are 1 values for 2 .*two lines"),
        ("a.wav,x,y\nb.wav,x\nc.wav\n", r"line 2: .*\(and 1 other rows have not 2\)"),
        ('a.wav,"He said "hi" loudly"\n', "line 2: .*no comma follows"),
        ('a.wav, "A dog, a cat"\n', "line 2: there is a space before a quote"),
        ('a.wav, "A dog"\n', "line 2: there is a space before a quote"),
    ],
)
def test_rows_that_are_broken(tmp_path, text, said):
    with pytest.raises(ValueError, match=said):
        rows_of(tmp_path, HEAD + text)


@pytest.mark.parametrize(
    ("place", "later"),
    [
        (5, ()),  # swallows all that follows
        (39, ()),
        (5, ((6, 'a/6.wav,tone"'),)),  # closed by the next row's stray quote
        (5, ((20, 'a/20.wav,tone"'),)),
        (5, ((20, 'a/20.wav,"A dog, far away"'),)),  # by a good row's opening quote
        (5, ((20, 'a/20.wav,"tone'),)),
    ],
)
@pytest.mark.parametrize("columns", [2, 3, "caption first"])
def test_a_quote_that_is_not_closed_is_found(tmp_path, place, later, columns):
    lines = CLIPS.splitlines()
    lines[place] = lines[place].replace(",", ',"')
    for number, line in later:
        lines[number] = line
    head = HEAD
    if columns == 3:
        lines = [f"{line},tone" for line in lines]
        head = "path,caption,label\n"
    if columns == "caption first":
        head = "caption,path\n"
        lines = [",".join(reversed(line.split(",", 1))) for line in lines]
    with pytest.raises(ValueError, match=rf"my\.csv, line {place + 2}: .*quote"):
        rows_of(tmp_path, head + "\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("A dog barks, then a cat", 'A cat, far away, meows"'),
        ("A dog barks", 'A cat, far away"'),
        ("A dog barks, a cat", 'Meows"'),
    ],
)
@pytest.mark.parametrize("between", [[], ["Wind"], ["Wind, rain, and thunder"]])
def test_swallowed_captions_have_commas(tmp_path, first, last, between):
    """They are in quotes because of them."""
    captions = [f'"{first}', *between, last]
    rows = [f"{number}.wav,{text}" for number, text in enumerate(captions)]
    with pytest.raises(ValueError, match="line 42: a double quote is not closed"):
        rows_of(tmp_path, HEAD + CLIPS + "\n".join(rows) + "\n")
    rows = [
        f"7{number},ab_{number},{30},{text}" for number, text in enumerate(captions)
    ]
    text = "audiocap_id,youtube_id,start_time,caption\n1,x,0,A dog\n" + "\n".join(rows)
    with pytest.raises(ValueError, match="line 3: a double quote is not closed"):
        rows_of(tmp_path, text, ("caption",))


@pytest.mark.parametrize(
    "caption",
    ["A dog,\nthen a cat, and rain", "Rain\nwind", "rain, wind\nrain\n\nwind, rain"],
)
def test_closed_quotes_may_hold_line_breaks(tmp_path, caption):
    for text in (f'{HEAD}a.wav,"{caption}"\n', f'{HEAD}{CLIPS}a.wav,"{caption}"\n'):
        assert rows_of(tmp_path, text)[-1]["caption"] == caption
    text = f'caption,path\n"{caption}",a.wav\nA tone,b.wav\n'
    assert rows_of(tmp_path, text)[0]["caption"] == caption


PROSE = [
    ("caption", "A dog barks\nand a cat"),
    ("caption", "A dog barks,\nand a cat, far away"),
    ("label,description", "A dog barks,\nthen, a cat"),
    ("label,description", "A dog barks,\n3, in a row"),
    ("path,caption", "one\ntwo, three"),
    ("id,caption", "one\n2, three"),
    ("id,caption", "one,\n2, three\n\n3, four"),
]


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(("columns", "value"), PROSE)
def test_prose_over_several_lines_is_no_table(tmp_path, columns, value, rows):
    """Where no column but its own, or only a plain id, tells a row from a sentence."""
    firsts = {"label": "dog", "path": "clips/a", "id": "1"}
    *first, prose = columns.split(",")
    lines = [columns, *rows * [",".join([*map(firsts.get, first), f'"{value}"'])]]
    found = rows_of(tmp_path, "\n".join(lines) + "\n", (prose,))
    assert [row[prose] for row in found] == rows * [value]


def test_a_separator_for_a_spreadsheet_is_no_row(tmp_path):
    for first in ("sep=,", '"sep=,"', "SEP=,"):
        [row] = rows_of(tmp_path, f"\ufeff{first}\r\n{HEAD}a.wav,A dog\n")
        assert row == {"path": "a.wav", "caption": "A dog"}
        assert row.where.endswith("my.csv, line 3")


def test_empty_values_may_be_left_out_by_a_spreadsheet(tmp_path):
    with pytest.raises(ValueError, match="line 3: .*leave empty values at a row's end"):
        rows_of(tmp_path, HEAD + "a.wav,A dog\nb.wav\n")


def test_a_value_that_is_too_long_is_told(tmp_path):
    for text in (f"a.wav,{'x' * 140_000}\n", f'a.wav,"{"x" * 140_000}\nb.wav,y\n'):
        with pytest.raises(ValueError, match="line 2: .*131072 .* never closed"):
            rows_of(tmp_path, HEAD + text)


def test_semicolons_are_no_separators_where_they_are_none(tmp_path):
    lines = ["dog; puppy", "cat"]
    for text in ("dog; puppy\ncat\n", "dog; puppy\n"):
        found = rows_of(tmp_path, text, (), names=("label",))
        assert [row["label"] for row in found] == lines[: len(found)]
    [row] = rows_of(tmp_path, "caption\nA dog; a cat\n", ("caption",))
    assert row["caption"] == "A dog; a cat"
    for text in ("dog;It barks\nrain;It drips\n", "dog\tIt barks\n"):
        with pytest.raises(ValueError, match="between its columns"):
            rows_of(tmp_path, text, (), names=("label",))
    with pytest.raises(ValueError, match="semicolons between its columns"):
        rows_of(tmp_path, "freesound_id;class\n1;a\n", (), optional=("freesound_id",))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,caption,caption\na.wav,x,y\n", "2 columns caption"),
        ("path,caption,Caption,caption\na.wav,x,y,z\n", "3 columns caption"),
        ("path;caption\na.wav;A dog, a cat\n", "semicolons between its columns"),
        ("sep=;\npath;caption\na.wav;x\n", "semicolons between its columns"),
        ("path\tcaption\na.wav\tA dog\n", "tabs between its columns"),
        ("path,text\na.wav,x\n", "must have the columns path, caption; it has path, t"),
        ("", "it has none"),
    ],
)
def test_headers_that_are_broken(tmp_path, text, said):
    with pytest.raises(ValueError, match=said):
        rows_of(tmp_path, text)


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-16", "is text in UTF-16: save it as UTF-8"),
        ("utf-16-le", "zero bytes.*UTF-16"),
        ("latin-1", r"my\.csv, line 3: the byte 0xfc is no UTF-8"),
    ],
)
def test_other_encodings_are_named(tmp_path, encoding, said):
    with pytest.raises(ValueError, match=said):
        rows_of(tmp_path, HEAD + "a.wav,x\na.wav,wüff\n", encoding=encoding)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "utf-8-sig"])
def test_a_list_of_another_encoding_may_have_been_saved_anew(tmp_path, encoding):
    text = HEAD + "a.wav,wüff\n"
    [row] = rows_of(tmp_path, text, encoding=encoding, fallback="latin-1")
    assert row["caption"] == "wüff"


def test_a_file_without_a_header(tmp_path):
    found = rows_of(tmp_path, "x,1\ny,2\n\n", (), names=("name", "start"))
    assert found == [{"name": "x", "start": "1"}, {"name": "y", "start": "2"}]
    assert read_records(tmp_path / "my.csv", has_header=False)[1] == Record(
        2, ("y", "2")
    )


def test_the_real_lists_are_read_whole(shared_data):
    counts = {"train": 49_838, "val": 2_475, "test": 4_875}
    for name, count in counts.items():
        path = shared_data / "AudioCaps" / "dataset" / f"{name}.csv"
        assert len(read_rows(path, ("youtube_id", "caption"))) == count
    for name, count in {"development": 3_839, "evaluation": 1_045}.items():
        path = shared_data / "Clotho" / f"clotho_captions_{name}.csv"
        with open(path, newline="", encoding="utf-8") as file:
            assert read_rows(path, ("file_name",)) == list(csv.DictReader(file))
            assert len(read_rows(path, ("file_name",))) == count
