"""Captions: a small grammar that tells events, traits and relations in English.

Which words are chosen depends on the random generator only, never on a trait's value:
with an equal generator, scenes that differ in one trait get sentences that differ in
the word for it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from clap_sb.data.builtin.events import Event
from clap_sb.data.builtin.words import ADJECTIVES, ADVERBIALS, CLAUSES, NOUNS

# Sentences of each relation: of nouns ("a siren, then a bell") and of clauses ("a siren
# wails while a bell rings").
_NOUN_FORMS = {
    "single": (
        "{0}",
        "{0}",
        "the sound of {0}",
        "this is a sound of {0}",
        "a recording of {0}",
        "{0} can be heard",
    ),
    "then": (
        "{0} followed by {1}",
        "{0}, then {1}",
        "{0} and then {1}",
        "first {0}, then {1}",
        "the sound of {0} followed by {1}",
    ),
    "while": (
        "{0} with {1} in the background",
        "{0} and {1} at the same time",
        "{0} together with {1}",
        "the sound of {0} over {1}",
    ),
}
_CLAUSE_FORMS = {
    "single": ("{0}",),
    "then": (
        "{0}, then {1}",
        "{0}, and after that {1}",
        "{0} before {1}",
        "first {0} and then {1}",
    ),
    "while": ("{0} while {1}", "{0} as {1}", "{0} and at the same time {1}"),
}

_CLAUSE_SHARE = 0.45
_BARE_SHARE = 0.2  # of nouns without their article, as labels are: "barking dog"


def _choose(rng: np.random.Generator, options: Sequence):
    """One of the options, as it is (numpy would turn tuples into arrays)."""
    return options[rng.integers(len(options))]


def _with_adjectives(noun: str, adjectives: list[str], comma: str) -> str:
    """Put adjectives between a noun and its article, and mend "a" and "an"."""
    article, bare = "", noun
    if noun.startswith(("a ", "an ")):
        article, bare = "a ", noun.split(" ", 1)[1]
    phrase = " ".join(filter(None, (comma.join(adjectives), bare)))
    if article and phrase[0] in "aeiou":
        article = "an "
    return article + phrase


def _noun_phrase(rng: np.random.Generator, event: Event) -> str:
    """Such as "a fast, high siren", or "fast, high siren"."""
    adjectives = [_choose(rng, ADJECTIVES[trait]) for trait in event.traits]
    if rng.random() < 0.5:
        adjectives.reverse()
    comma = _choose(rng, (", ", " "))
    phrase = _with_adjectives(_choose(rng, NOUNS[event.kind]), adjectives, comma)
    bare = rng.random() < _BARE_SHARE
    return re.sub("^an? ", "", phrase) if bare else phrase


def _clause(rng: np.random.Generator, event: Event) -> str:
    """Such as "a distant dog barks quickly and loudly"."""
    adjectives, manners, circumstances = [], [], []
    for trait in event.traits:
        adjective = _choose(rng, ADJECTIVES[trait])
        adverbial = _choose(rng, ADVERBIALS[trait])
        # "A fast dog" would be another thing than a dog that barks fast.
        if trait in ("near", "far") and rng.random() < 0.5:
            adjectives.append(adjective)
        elif adverbial.endswith("ly"):
            manners.append(adverbial)
        else:
            circumstances.append(adverbial)
    subject, verb = _choose(rng, CLAUSES[event.kind])
    subject = _with_adjectives(subject, adjectives, ", ")
    parts = (subject, verb, " and ".join(manners), *circumstances)
    return " ".join(filter(None, parts))


def write_caption(
    rng: np.random.Generator, events: Sequence[Event], relation: str
) -> str:
    """Write one caption.

    Arguments
    ---------
    rng : np.random.Generator
        Source of the choice of words.
    events : Sequence[Event]
        The events; every trait they have is told.
    relation : str
        "single", "then" or "while".

    Returns
    -------
    str

    Example
    -------
    >>> siren = Event("siren", ("fast", "high"))
    >>> write_caption(np.random.default_rng(2), [siren], "single")
    'an emergency siren sounds quickly with a high pitch'
    """
    told_as_clause = rng.random() < _CLAUSE_SHARE
    tell = _clause if told_as_clause else _noun_phrase
    form = _choose(rng, (_CLAUSE_FORMS if told_as_clause else _NOUN_FORMS)[relation])
    return form.format(*(tell(rng, event) for event in events))


def write_captions(
    rng: np.random.Generator, events: Sequence[Event], relation: str, count: int
) -> tuple[str, ...]:
    """Write several captions of one scene, no two alike.

    Arguments
    ---------
    rng : np.random.Generator
        Source of the choice of words.
    events : Sequence[Event]
        The events; every trait they have is told.
    relation : str
        "single", "then" or "while".
    count : int
        How many; the grammar holds at least twenty for every scene.

    Returns
    -------
    tuple[str, ...]

    Example
    -------
    >>> rain = Event("rain")
    >>> len(set(write_captions(np.random.default_rng(0), [rain], "single", 5)))
    5
    """
    captions: dict[str, None] = {}
    while len(captions) < count:
        captions[write_caption(rng, events, relation)] = None
    return tuple(captions)
