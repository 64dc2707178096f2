"""Whether something is a text that can be tokenised."""

from __future__ import annotations


def why_unreadable(value: object) -> str | None:
    """What keeps a caption from being read.

    Arguments
    ---------
    value : object
        The caption.

    Returns
    -------
    str or None
        The end of a sentence that begins with the caption's place; None if it is a
        text, be it an empty one.

    Example
    -------
    >>> why_unreadable("un chien"), why_unreadable(None)
    (None, 'is of type NoneType, and captions are texts: leave out what has none')
    """
    if not isinstance(value, str):
        kind = f"of type {type(value).__name__}"
        # numbers as they are: nan stands for what a table does not have
        shown = f"{value!r}, {kind}" if isinstance(value, (int, float)) else kind
        return f"is {shown}, and captions are texts: leave out what has none"
    if any("\ud800" <= char <= "\udfff" for char in value):
        return (
            f"is {value[:40]!r}, which has bytes that are no UTF-8, or half of a "
            "character: save the text as UTF-8, or type it anew"
        )
    return None


def is_blank(text: str) -> bool:
    """Whether there is nothing in a text but spaces, controls and invisible marks.

    Arguments
    ---------
    text : str
        A text.

    Returns
    -------
    bool

    Example
    -------
    >>> is_blank(" \\u200b\\n\\0"), is_blank(" !")
    (True, False)
    """
    return not any(char.isprintable() and not char.isspace() for char in text)
