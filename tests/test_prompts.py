"""Sentences of classes: templates, averages, descriptions."""

from __future__ import annotations

import json

import pytest
import torch
import torch.nn.functional as F
from builders import tiny_clap

from clap_sb.evaluation.embedding import embed_captions
from clap_sb.evaluation.prompts import Prompts, read_descriptions, read_templates

LABELS = ["dog", "sea_waves", "{label} [x]"]


@pytest.fixture(scope="module")
def clap(tmp_path_factory):
    return tiny_clap(tmp_path_factory.mktemp("text"))


def test_a_class_is_the_mean_of_its_sentences(clap):
    prompts = Prompts(("This is {label}.", "{label}", "I hear {label} {now}"))
    found = prompts.embed(clap, LABELS)
    for row, label in zip(found, LABELS, strict=True):
        text = label.replace("_", " ")
        sentences = [f"This is {text}.", text, f"I hear {text} {{now}}"]
        assert prompts.of(label) == tuple(sentences)
        mean = embed_captions(clap, sentences).sum(0)
        torch.testing.assert_close(row, F.normalize(mean, dim=0))


def test_one_template_is_that_sentence(clap):
    found = Prompts(("{label} barks",)).embed(clap, ["dog"])
    torch.testing.assert_close(found, embed_captions(clap, ["dog barks"]))


def test_descriptions_replace_templates(clap):
    prompts = Prompts(
        descriptions={"dog": ("It barks.", "It growls."), "rain": ("Drops.",)}
    )
    found = prompts.embed(clap, ["rain", "dog"])
    expected = embed_captions(clap, ["Drops.", "It barks.", "It growls."])
    torch.testing.assert_close(found[0], expected[0])
    torch.testing.assert_close(found[1], F.normalize(expected[1:].sum(0), dim=0))
    assert prompts.text == "descriptions of each class (1 to 2), averaged"
    with pytest.raises(ValueError, match="no description of 'cat'.*'dog'"):
        prompts.of("cat")


def test_what_the_card_says():
    one, two = Prompts(), Prompts(("{label}", "a {label}"), keep_underscores=True)
    assert one.text == "This is a sound of {label}."
    assert two.text == "mean of 2: {label} | a {label}"
    assert one.label_text.endswith("turned to spaces")
    assert two.label_text.endswith("kept")
    assert two.of("a_b") == ("a_b", "a a_b")


@pytest.mark.parametrize("templates", [(), ("{label}", "sound")])
def test_templates_that_are_none(templates):
    with pytest.raises(ValueError, match="template"):
        Prompts(templates)


def test_prompts_come_as_text_list_or_file(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_text("A {label}.\n\n  Hear {label}  \n")
    assert read_templates(str(path)) == ("A {label}.", "Hear {label}")
    assert read_templates(["{label}", "x {label}"]) == ("{label}", "x {label}")
    with pytest.raises(FileNotFoundError, match="has no {label} and is no file"):
        read_templates("a dog")


def test_descriptions_come_as_yaml_or_json(tmp_path):
    values = {"dog": "It barks: {loud}", "rain": ["Drops.", "Water."]}
    path = tmp_path / "d.json"
    path.write_text(json.dumps(values))
    expected = {"dog": ("It barks: {loud}",), "rain": ("Drops.", "Water.")}
    assert read_descriptions(path) == expected
    path.write_text("dog: 'It barks: {loud}'\nrain:\n  - Drops.\n  - Water.\n")
    assert read_descriptions(path) == expected


@pytest.mark.parametrize(
    "text", ["", "- a\n", "dog: []\n", "dog: [1]\n", "{a: [", "a:"]
)
def test_files_that_describe_nothing(text, tmp_path):
    path = tmp_path / "d.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"d\.yaml"):
        read_descriptions(path)
