"""Words for men and women become words for people, and sentences stay sentences."""

from __future__ import annotations

import csv
import re

import pytest

from clap_sb.data.debias import debias


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A man speaks", "A person speaks"),
        ("Women and men talk", "People and people talk"),
        ("the girl and two boys", "the child and two children"),
        ("He drops his bag.", "The person drops their bag."),
        ("she hums to herself", "the person hums to themself"),
        ("human, manual, mention, hero, shell", "human, manual, mention, hero, shell"),
        ("man-made noise, an all-male choir", "man-made noise, an all-male choir"),
    ],
)
def test_nouns_and_pronouns(before, after):
    assert debias(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a dog follows her", "a dog follows them"),
        ("a dog follows her and barks", "a dog follows them and barks"),
        ("a dog barks at her cat", "a dog barks at their cat"),
        ("a dog barks at her.", "a dog barks at them."),
        ("Her dog barks", "Their dog barks"),
    ],
)
def test_her(before, after):
    assert debias(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a woman's voice", "a person's voice"),
        ("a male's voice", "a person's voice"),
        ("the males' voices", "the people's voices"),
        ("the boys\u2019 dog", "the children's dog"),
        ("the ladies' laughter", "the people's laughter"),
        ("the girls laugh", "the children laugh"),
    ],
)
def test_possessives(before, after):
    assert debias(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A male speaks and a female laughs", "A person speaks and a person laughs"),
        ("an male is speaking", "a person is speaking"),
        ("An adult male speaks", "An adult person speaks"),
        ("Male speaking on the radio", "Person speaking on the radio"),
        ("A male and female talk", "A person and person talk"),
        ("Males and females sing", "People and people sing"),
        ("Two male talking", "Two people talking"),
        ("several adult females laugh", "several adult people laugh"),
        ("a female", "a person"),
        ("a dog barks, then a male shouts", "a dog barks, then a person shouts"),
        ("a male singing in a hall", "a person singing in a hall"),
        ("A male opens a door", "A person opens a door"),
        (
            "A male leads a choir, a female rocks",
            "A person leads a choir, a person rocks",
        ),
    ],
)
def test_male_and_female_are_somebody(before, after):
    assert debias(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("male speech, man speaking", "speech, person speaking"),
        ("Female speech, woman speaking", "Speech, person speaking"),
        ("a female opera singer", "an opera singer"),
        ("An male voice", "A voice"),
        ("the male voices", "the voices"),
        ("an old male voice", "an old voice"),
        ("A male announcer and a female vocalist", "An announcer and a vocalist"),
        ("male and female voices", "voices"),
        ("a male and a female choir", "a choir"),
        ("Male singing, female singing", "Singing, singing"),
        ("guitar and male singing", "guitar and singing"),
        ("a male child cries", "a child cries"),
        ("a male lion roars", "a lion roars"),
        ("a female elderly speaker", "an elderly speaker"),
        ("the male lead singer", "the lead singer"),
    ],
)
def test_male_and_female_describe_what_follows(before, after):
    assert debias(before) == after


def test_what_people_wrote_loses_no_noun(shared_data):
    """Of real captions: no word for a gender stays, no article is left alone."""
    captions = set()
    for split in ("train", "val", "test"):
        path = shared_data / "AudioCaps" / "dataset" / f"{split}.csv"
        with open(path, encoding="utf-8", newline="") as file:
            captions |= {row["caption"] for row in csv.DictReader(file)}
    told = [text for text in captions if re.search(r"\b(fe)?males?\b", text, re.I)]
    assert len(told) > 2000
    alone = re.compile(
        r"\b(an?|the) (speak|talk|laugh|shout|sing|yell|give|make|is|are|and|or|in)s?\b"
        r"|\b(an?|the)([,.]|$)",
        re.I,
    )
    for text in told:
        after = debias(text)
        assert not re.search(r"\b((fe)?males?|(wo)?m[ae]n)\b(?!-)", after, re.I), after
        assert len(alone.findall(after)) <= len(alone.findall(text)), after
