"""Scenes: which events a clip holds, how they stand to each other, and their sound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from clap_sb.data.builtin.events import (
    ATTRIBUTES,
    KINDS,
    LABELS,
    Event,
    draw_event,
    render_event,
)
from clap_sb.data.builtin.voices import noise, num_samples

DURATION = 5.0
"""Length of every clip in seconds."""

_SHARES = {"single": 0.6, "then": 0.2, "while": 0.2}

# Tries at a scene that is not in the set yet, before an equal one is accepted.
_MAX_TRIES = 50

# Gain of an event that goes on behind another one.
_BEHIND = 0.6


@dataclass(frozen=True)
class Scene:
    """What is heard in a clip.

    Arguments
    ---------
    events : tuple[Event, ...]
        One event, or two of different kinds.
    relation : str
        "single"; "then": the second event follows the first; "while": the second goes
        on behind the first.
    seed : tuple[int, ...]
        All that is not named by the events is drawn from it: timing, timbre,
        background, wording.
    """

    events: tuple[Event, ...]
    relation: str
    seed: tuple[int, ...]

    @property
    def content(self) -> tuple:
        """What a listener can tell: the events, in their order where it is audible."""
        events = self.events
        if self.relation == "while":
            events = tuple(sorted(events, key=lambda event: event.kind))
        return self.relation, events


def draw_scene(rng: np.random.Generator, seed: tuple[int, ...]) -> Scene:
    """Draw a scene: one event with two traits, or two events with one each.

    Arguments
    ---------
    rng : np.random.Generator
        Source of randomness.
    seed : tuple[int, ...]
        The scene's own seed.

    Returns
    -------
    Scene

    Example
    -------
    >>> scene = draw_scene(np.random.default_rng(0), (1, 1, 0))
    >>> scene.relation, len(scene.events)
    ('then', 2)
    """
    relation = str(rng.choice(list(_SHARES), p=list(_SHARES.values())))
    size, num_traits = (1, 2) if relation == "single" else (2, 1)
    kinds = rng.choice(LABELS, size, replace=False)
    events = (draw_event(rng, str(kind), num_traits) for kind in kinds)
    return Scene(tuple(events), relation, seed)


def _draw_new(draw: Callable[[], tuple[Scene, ...]], taken: set) -> tuple[Scene, ...]:
    """Draw scenes of a content that is not taken, as long as there is one to find."""
    for _ in range(_MAX_TRIES):
        scenes = draw()
        contents = {scene.content for scene in scenes}
        if not contents & taken:
            break
    taken |= contents
    return scenes


def draw_scenes(
    seed: int, split: int, count: int, known: tuple[Scene, ...] = ()
) -> list[Scene]:
    """Draw scenes that differ in content, as long as there are enough.

    Arguments
    ---------
    seed : int
        Seed of the whole set.
    split : int
        Number of the split, from 1.
    count : int
        How many scenes.
    known : tuple[Scene, ...]
        Scenes that the split holds already; the new ones are numbered after them.

    Returns
    -------
    list[Scene]
        The new ones.

    Example
    -------
    >>> scenes = draw_scenes(0, split=3, count=100)
    >>> len({scene.content for scene in scenes})
    100
    """
    taken = {scene.content for scene in known}
    scenes = []
    for index in range(len(known), len(known) + count):
        own = (seed, split, index)
        rng = np.random.default_rng(own)
        scenes += _draw_new(lambda rng=rng, own=own: (draw_scene(rng, own),), taken)
    return scenes


def draw_pairs(seed: int, split: int, count: int) -> list[tuple[Scene, Scene]]:
    """Draw pairs of one-event scenes that differ in one attribute and nothing else.

    Pitch and rate take turns, and the kinds that have them go round.

    Arguments
    ---------
    seed : int
        Seed of the whole set.
    split : int
        Number of the split, from 1.
    count : int
        How many pairs.

    Returns
    -------
    list[tuple[Scene, Scene]]

    Example
    -------
    >>> [(left, right)] = draw_pairs(0, split=3, count=1)
    >>> sorted(set(left.events[0].traits) ^ set(right.events[0].traits))
    ['high', 'low']
    """
    order = np.random.default_rng([seed, split, 0, 6]).permutation(LABELS)
    turns = []
    for attribute in ("pitch", "rate"):
        kinds = [str(kind) for kind in order if attribute in KINDS[kind].attributes]
        turns.append([(attribute, kind) for kind in kinds])
    alternating = [turn for both in zip(*turns, strict=True) for turn in both]

    taken: set = set()
    pairs = []
    for index in range(count):
        own = (seed, split, index)
        rng = np.random.default_rng(own)
        turn = alternating[index % len(alternating)]
        pairs.append(
            _draw_new(lambda rng=rng, own=own, turn=turn: _pair(rng, own, *turn), taken)
        )
    return pairs


def _pair(
    rng: np.random.Generator, seed: tuple[int, ...], attribute: str, kind: str
) -> tuple[Scene, Scene]:
    """A one-event scene, and the same with the opposite trait of the attribute."""
    event = draw_event(rng, kind, 2, first=(attribute,))
    (trait,) = set(event.traits) & set(ATTRIBUTES[attribute])
    scene = Scene((event,), "single", seed)
    return scene, replace(scene, events=(event.opposite(trait),))


def _spans(rng: np.random.Generator, relation: str) -> list[tuple[float, float]]:
    """Onset and length in seconds of each event."""
    if relation == "then":
        first, second = rng.uniform(1.7, 2.2, 2)
        start = rng.uniform(0.0, 0.3)
        pause = rng.uniform(0.1, 0.3)
        return [(start, first), (start + first + pause, second)]
    length = rng.uniform(2.8, 4.6)
    front = (rng.uniform(0.0, DURATION - length), length)
    if relation == "while":
        return [front, (0.0, DURATION)]
    return [front]


def render_scene(scene: Scene) -> np.ndarray:
    """Synthesise a clip.

    Events keep their absolute level, and a little noise of some colour lies under all.

    Arguments
    ---------
    scene : Scene
        What is to be heard.

    Returns
    -------
    np.ndarray
        [time], `DURATION` seconds at 16 kHz, float32, of a peak below 1.

    Example
    -------
    >>> wave = render_scene(Scene((Event("bell", ("loud",)),), "single", (0, 1, 0)))
    >>> wave.shape, bool(0.4 < abs(wave).max() < 1)
    ((80000,), True)
    """
    rng = np.random.default_rng([*scene.seed, 1])
    spans = _spans(rng, scene.relation)
    total = num_samples(DURATION)
    floor = 10 ** rng.uniform(-3.2, -2.1)
    wave = floor * noise(rng, total, 50, 7500, rng.uniform(-1.0, 0.0))
    for number, (event, (start, length)) in enumerate(
        zip(scene.events, spans, strict=True)
    ):
        sound = render_event(event, (*scene.seed, 2 + number), num_samples(length))
        onset = num_samples(start)
        sound = sound[: total - onset]
        behind = scene.relation == "while" and number == 1
        wave[onset : onset + len(sound)] += (_BEHIND if behind else 1.0) * sound
    return wave
