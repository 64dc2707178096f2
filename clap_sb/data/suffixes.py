"""Which files hold sounds, by the end of their names, and what the others are."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping

# What libsndfile or FFmpeg decodes, the best first: where a clip lies in several
# formats, the first of these is taken.
_LOSSLESS = """
    .wav .wave .bwf .rf64 .w64 .flac .aiff .aif .aifc .caf .au .snd .sph .nist .voc
    .ircam .sf .avr .paf .pvf .8svx .svx .wv .ape .tta .tak .shn .mlp .thd .dsf .dff
"""
_LOSSY = """
    .ogg .oga .opus .mp3 .m4a .m4b .m4r .3ga .aac .adts .latm .loas .mp2 .mp1 .mpa
    .mpga .m2a .spx .wma .weba .mka .mpc .ac3 .eac3 .ec3 .dts .dtshd .amr .awb .gsm
    .g722 .ra .oma .aa3 .vqf .qoa .adx
"""
_VIDEOS = """
    .mp4 .m4v .mov .qt .webm .mkv .avi .wmv .asf .mpg .mpeg .vob .ts .mts .m2ts .flv
    .f4v .ogv .3gp .3g2 .rm .rmvb .wtv .mxf
"""
SOUND_SUFFIXES = tuple(f"{_LOSSLESS} {_LOSSY} {_VIDEOS}".split())
_ORDER = {suffix: place for place, suffix in enumerate(SOUND_SUFFIXES)}

# Samples and nothing else: whoever reads them has to be told the rate and the rest.
HEADERLESS = frozenset(".raw .pcm .vox .s8 .u8 .s16 .s24 .s32 .f32 .f64".split())

_NO_SUFFIX = "without a suffix"
_LONGEST = 12
_KINDS_SHOWN = 8


def sound_order(name: str) -> int | None:
    """Where a name's suffix stands in :data:`SOUND_SUFFIXES`.

    Arguments
    ---------
    name : str
        A file's name.

    Returns
    -------
    int or None
        None if it is no sound's.

    Example
    -------
    >>> sound_order("a.WAV"), sound_order("a.flac") < sound_order("a.mp3")
    (0, True)
    >>> sound_order("notes.txt") is sound_order("wav") is None
    True
    """
    return _ORDER.get(os.path.splitext(name)[1].lower())


def kind_of(name: str) -> str:
    """What a file is counted as that is no sound.

    Arguments
    ---------
    name : str
        Its name.

    Returns
    -------
    str
        Its suffix, in small letters.

    Example
    -------
    >>> kind_of("notes.TXT"), kind_of("Makefile"), kind_of("take 1. the dog")
    ('.txt', 'without a suffix', 'without a suffix')
    """
    suffix = os.path.splitext(name)[1].lower()
    if len(suffix) > _LONGEST or not suffix[1:].isalnum():
        return _NO_SUFFIX
    return suffix


def counted(kinds: Mapping[str, int]) -> str:
    """Counts of kinds as words, the most frequent first.

    Arguments
    ---------
    kinds : mapping of str to int
        How many files there are of each kind.

    Returns
    -------
    str
        Empty if there is none.

    Example
    -------
    >>> counted({".jpg": 10, ".txt": 30, ".raw": 1})
    '30 .txt, 10 .jpg, 1 .raw (without a header)'
    """
    # alphabetically where they are as many
    most = Counter(dict(sorted(kinds.items()))).most_common()
    words = [
        f"{count} {kind}{' (without a header)' if kind in HEADERLESS else ''}"
        for kind, count in most[:_KINDS_SHOWN]
    ]
    if rest := sum(count for _, count in most[_KINDS_SHOWN:]):
        words.append(f"{rest} of {len(most) - _KINDS_SHOWN} other kinds")
    return ", ".join(words)
