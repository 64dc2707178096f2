"""Sound events: a kind, and the traits it is heard with.

An attribute has two opposite traits (high and low pitch, fast and slow rate, loud and
soft level, near and far distance). An event has a trait or none of an attribute; with
none it lies in a middle range, and no two ranges overlap. Level and distance both
change the loudness, so an event has a trait of one of them only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from clap_sb.data.builtin import repeated, sustained
from clap_sb.data.builtin.voices import place

Voice = Callable[[np.random.Generator, int, float, float], np.ndarray]

# Factors of a voice's own frequency and rate. High lies 2 to 3 times over low, fast at
# least 2.5 times over slow, for every draw from these ranges.
PITCHES = {"low": (0.58, 0.72), None: (0.92, 1.1), "high": (1.45, 1.74)}
RATES = {"slow": (0.5, 0.62), None: (0.92, 1.1), "fast": (1.65, 2.0)}

# Peak amplitudes. Two loud events at once, the second one in the background, and the
# noise of the scene still stay below 1.
PEAKS = {
    "soft": (0.04, 0.06),
    "far": (0.08, 0.12),
    None: (0.17, 0.25),
    "near": (0.3, 0.36),
    "loud": (0.45, 0.54),
}

# Treble gain and echo energy of the two distances (see `voices.place`).
PLACES = {"near": (2.5, 0.0), "far": (0.12, 1.5)}

OPPOSITES = {
    "high": "low",
    "low": "high",
    "fast": "slow",
    "slow": "fast",
    "loud": "soft",
    "soft": "loud",
    "near": "far",
    "far": "near",
}

ATTRIBUTES = {
    "rate": ("fast", "slow"),
    "level": ("loud", "soft"),
    "pitch": ("high", "low"),
    "distance": ("near", "far"),
}


@dataclass(frozen=True)
class Kind:
    """A kind of sound event.

    Arguments
    ---------
    voice : Voice
        Synthesises it: `(rng, length, pitch, rate) -> waveform [length]`.
    attributes : tuple[str, ...]
        The attributes that make sense for it.
    """

    voice: Voice
    attributes: tuple[str, ...]


KINDS = {
    "tone": Kind(sustained.tone, ("pitch", "level", "distance")),
    "siren": Kind(sustained.siren, ("pitch", "rate", "distance")),
    "rain": Kind(sustained.rain, ("level", "distance")),
    "engine": Kind(sustained.engine, ("pitch", "level", "distance")),
    "beeping_alarm": Kind(sustained.alarm, ("pitch", "rate", "level")),
    "whistle": Kind(sustained.whistle, ("pitch", "rate", "distance")),
    "wind": Kind(sustained.wind, ("level", "distance")),
    "car_horn": Kind(sustained.car_horn, ("pitch", "level", "distance")),
    "ticking_clock": Kind(repeated.clock, ("rate", "level", "distance")),
    "bell": Kind(repeated.bell, ("pitch", "rate", "distance")),
    "chirping_bird": Kind(repeated.bird, ("pitch", "rate", "level")),
    "door_knock": Kind(repeated.knock, ("rate", "level", "distance")),
    "footsteps": Kind(repeated.footsteps, ("rate", "level", "distance")),
    "barking_dog": Kind(repeated.dog, ("pitch", "rate", "distance")),
    "dripping_water": Kind(repeated.drip, ("pitch", "rate", "level")),
    "cricket": Kind(repeated.cricket, ("pitch", "rate", "distance")),
}

LABELS = tuple(KINDS)


@dataclass(frozen=True)
class Event:
    """One sound event.

    Arguments
    ---------
    kind : str
        One of `LABELS`.
    traits : tuple[str, ...]
        At most one of each attribute of the kind, in the order of `ATTRIBUTES`, such
        as ("fast", "high").
    """

    kind: str
    traits: tuple[str, ...] = ()

    def opposite(self, trait: str) -> Event:
        """The same event with one trait turned into its opposite.

        Arguments
        ---------
        trait : str
            One of the event's traits.

        Returns
        -------
        Event

        Example
        -------
        >>> Event("siren", ("fast", "high")).opposite("high").traits
        ('fast', 'low')
        """
        turned = (OPPOSITES[t] if t == trait else t for t in self.traits)
        return replace(self, traits=tuple(turned))


def draw_event(
    rng: np.random.Generator, kind: str, num_traits: int, first: tuple[str, ...] = ()
) -> Event:
    """Draw an event's traits.

    Arguments
    ---------
    rng : np.random.Generator
        Source of randomness.
    kind : str
        One of `LABELS`.
    num_traits : int
        How many traits; fewer where the kind has not so many.
    first : tuple[str, ...]
        Attributes that are wanted before others.

    Returns
    -------
    Event

    Example
    -------
    >>> draw_event(np.random.default_rng(0), "siren", 0)
    Event(kind='siren', traits=())
    >>> draw_event(np.random.default_rng(0), "siren", 1, first=("rate",)).traits
    ('slow',)
    """
    attributes = list(KINDS[kind].attributes)
    if {"level", "distance"} <= set(attributes):
        attributes.remove(str(rng.choice(["level", "distance"])))
    others = rng.permutation([name for name in attributes if name not in first])
    chosen = [*first, *others][:num_traits]
    traits = (
        str(rng.choice(ATTRIBUTES[name])) for name in ATTRIBUTES if name in chosen
    )
    return Event(kind, tuple(traits))


def render_event(event: Event, seed: tuple[int, ...], length: int) -> np.ndarray:
    """Synthesise an event.

    Arguments
    ---------
    event : Event
        What to synthesise.
    seed : tuple[int, ...]
        Source of randomness. Events of equal seed that differ in one trait differ in
        nothing else.
    length : int
        Number of samples of the event itself.

    Returns
    -------
    np.ndarray
        [length], or longer by the echo of an event with a distance.

    Example
    -------
    >>> soft = render_event(Event("rain", ("soft",)), (0,), 8000)
    >>> loud = render_event(Event("rain", ("loud",)), (0,), 8000)
    >>> soft.shape, bool(abs(loud).max() > 5 * abs(soft).max())
    ((8000,), True)
    """
    # Streams count from 1: numpy takes (7,) and (7, 0) for the same seed.
    dials, voice_rng, room_rng = (np.random.default_rng([*seed, n]) for n in (1, 2, 3))
    pitch, rate, peak = (
        dials.uniform(*ranges[next((t for t in event.traits if t in ranges), None)])
        for ranges in (PITCHES, RATES, PEAKS)
    )
    wave = KINDS[event.kind].voice(voice_rng, length, pitch, rate)
    for trait in event.traits:
        if trait in PLACES:
            wave = place(room_rng, wave, *PLACES[trait])
    return wave * np.float32(peak / np.abs(wave).max())
