"""Captions that do not guess at a person's gender."""

from __future__ import annotations

import re

_NEUTRAL = {
    "man": "person",
    "woman": "person",
    "men": "people",
    "women": "people",
    "males": "people",
    "females": "people",
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

# "male" before one of these describes it, and what is left without it is a sentence.
# Words that are verbs as well ("a male shouts") are not among them.
_DESCRIBED = """
    voice vocal vocalist vocalization vocalisation speech speaker singer soprano tenor
    choir chorus rapper laughter narration narrator monologue dialogue conversation
    exclamation announcer announcement presenter reporter newscaster commentator
    broadcaster operator officer teacher student teenager toddler baby child children
    kid adult human person people crowd audience robot
    animal bird cat dog lion tiger cow goat sheep horse frog toad cricket cicada deer
    monkey
""".split()
_DESCRIBED_TOO = """
    opera rock pop gospel backing lead robotic computer computerized synthesized
    electronic automated digital police news radio television tv young old older elderly
    mature teenage
""".split()

_NUMBERS = "two|three|four|five|six|several|many|multiple|various"
_NO_NOUNS = (
    "a|about|after|again|and|are|as|at|away|back|before|but|by|down|during|for|from|in|"
    "into|is|off|on|or|out|over|the|then|through|to|under|until|up|when|while|with"
)

_BEGIN, _END = r"(?<![\w-])", r"(?![\w-])"  # "man-made" is no man
_MALE = r"(?:fe)?male"
_DESCRIBING = re.compile(
    rf"{_BEGIN}(?P<article>an?\s+)?{_MALE}(?:\s+(?:and|or)\s+(?:an?\s+)?{_MALE})?\s+"
    rf"(?=(?:(?:{'|'.join(_DESCRIBED)})(?:e?s)?|{'|'.join(_DESCRIBED_TOO)}){_END})"
    r"(?P<first>\w)",
    re.IGNORECASE,
)
# "male singing" is heard, but "a male singing" is somebody
_SINGING = re.compile(
    rf"(?P<before>^|[,;:]\s*|\b(?:and|or|of|with)\s+)"
    rf"(?P<male>{_MALE})\s+(?P<singing>singing)\b",
    re.IGNORECASE,
)
_SOMEBODY = re.compile(
    rf"(?P<many>\b(?:{_NUMBERS})\s+(?:adult\s+|young\s+)?)?"
    rf"{_BEGIN}(?P<article>an?\s+)?(?P<word>{_MALE}){_END}",
    re.IGNORECASE,
)
_WORD = re.compile(
    rf"{_BEGIN}(?P<word>{'|'.join(_NEUTRAL)}){_END}"
    r"(?P<own>['\u2019](?=\s+\w))?",  # of the boys' dog
    re.IGNORECASE,
)
_HER = re.compile(
    rf"{_BEGIN}her{_END}(?:(?P<owned>\s+)(?!(?:{_NO_NOUNS})\b)(?=\w))?", re.IGNORECASE
)


def debias(caption: str) -> str:
    """Replaces words for men and women by words for people.

    As 2211.06687 does with the captions that a model makes of keywords, so that it does
    not learn to guess: "woman" and "man" become "person", and likewise their plurals,
    boys and girls, and the pronouns. So do "male" and "female", but for those that
    describe what follows (a voice, a singer, a child, ...): they are left out.

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
    >>> debias("A male speaks and a female opera singer laughs")
    'A person speaks and an opera singer laughs'
    """
    caption = _DESCRIBING.sub(_described, caption)
    caption = _SINGING.sub(_sung, caption)
    caption = _SOMEBODY.sub(_somebody, caption)
    return _HER.sub(_theirs, _WORD.sub(_neutral, caption))


def _described(match: re.Match) -> str:
    """Keeps the article alone, in the form that the word after it asks for."""
    first = match["first"]
    if not match["article"]:
        return _as_written(match[0], first)
    article = "an " if first.lower() in "aeiou" else "a "
    return _as_written(match[0], article) + first


def _sung(match: re.Match) -> str:
    return match["before"] + _as_written(match["male"], match["singing"])


def _somebody(match: re.Match) -> str:
    if match["many"]:
        return f"{match['many']}people"
    return _as_written(match[0], "a person" if match["article"] else "person")


def _neutral(match: re.Match) -> str:
    own = "'s" if match["own"] else ""
    return _as_written(match["word"], _NEUTRAL[match["word"].lower()] + own)


def _theirs(match: re.Match) -> str:
    """What "her" means is told by the word after it: a noun, or none."""
    owned = match["owned"]
    return _as_written(match[0], f"their{owned}" if owned else "them")


def _as_written(before: str, text: str) -> str:
    """With a capital where there was one."""
    return text[0].upper() + text[1:] if before[0].isupper() else text
