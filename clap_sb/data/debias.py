"""Captions that do not guess at a person's gender."""

from __future__ import annotations

import re

_NEUTRAL = {
    "man": "person",
    "woman": "person",
    "men": "people",
    "women": "people",
    "gentleman": "person",
    "gentlemen": "people",
    "lady": "person",
    "ladies": "people",
    "guy": "person",
    "guys": "people",
    "boy": "child",
    "boys": "children",
    "girl": "child",
    "girls": "children",
    "he": "the person",
    "she": "the person",
    "his": "their",
    "hers": "theirs",
    "him": "them",
    "himself": "themself",
    "herself": "themself",
}

_WORD = re.compile(rf"\b({'|'.join(_NEUTRAL)}|her)\b(?=(\s+\w)?)", re.IGNORECASE)
_ADJECTIVE = re.compile(r"\b(an?\s+)?(?:fe)?male\s+(?=(\w))", re.IGNORECASE)


def debias(caption: str) -> str:
    """Replaces words for men and women by words for people.

    As 2211.06687 does with the captions that a model makes of keywords, so that it does
    not learn to guess: "woman" and "man" become "person", and likewise their plurals,
    boys and girls, and the pronouns; "male" and "female" before a noun are left out.

    Arguments
    ---------
    caption : str
        A caption in English.

    Returns
    -------
    str

    Example
    -------
    >>> debias("A woman laughs while her dog barks at the men.")
    'A person laughs while their dog barks at the people.'
    >>> debias("a female opera singer")
    'an opera singer'
    """
    return _WORD.sub(_neutral, _ADJECTIVE.sub(_article, caption))


def _article(match: re.Match) -> str:
    """Keeps the article alone, in the form that the word after it asks for."""
    if not match[1]:
        return ""
    form = "an " if match[2].lower() in "aeiou" else "a "
    return form.capitalize() if match[1][0].isupper() else form


def _neutral(match: re.Match) -> str:
    word = match[1]
    # "her" is "their" before a noun and "them" elsewhere
    neutral = _NEUTRAL.get(word.lower()) or ("their" if match[2] else "them")
    return neutral[0].upper() + neutral[1:] if word[0].isupper() else neutral
