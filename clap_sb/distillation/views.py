"""What a lesson sounds like: a clip as it is, or played in another way, or in a mix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from clap_sb.data.audio import read_wav
from clap_sb.data.keys import generator_for
from clap_sb.data.manifest import Clip

_LOUDEST_GAIN = 20.0  # of a faint clip that is mixed in
_LOWEST, _OCTAVES = 62.5, 9  # of a colour: 62.5 Hz to 16 kHz


@dataclass(frozen=True)
class ViewRules:
    """How views of a clip are drawn. The first view is always the clip as it is.

    Whatever is drawn, the teacher hears the very same: its embedding is that of the
    view, and not of the clip it was made of.

    Arguments
    ---------
    speed : tuple of float
        Limits of the speed, and with it the pitch; half of the views keep theirs.
    gain : tuple of float
        Limits of the change of level, dB.
    colour : float
        Standard deviation of what octaves are raised by, dB.
    backwards : float
        Share of the clips that are played from their end.
    mixed : float
        Share of the views that another clip is mixed into.
    mix_level : tuple of float
        Limits of the level of the clip over that of the other, dB.
    rolled : bool
        Whether what is heard begins anywhere in the clip, and goes round.

    Raises
    ------
    ValueError
        If limits are not in order, a speed is not above 0, the colour is negative, or
        a share is none.

    Example
    -------
    >>> ViewRules(speed=(1.25, 0.8))
    Traceback (most recent call last):
    ...
    ValueError: speed (1.25, 0.8), gain (-12.0, 6.0) and mix_level (-5.0, 15.0) are \
limits, the lower one first, of speeds above 0
    """

    speed: Sequence[float] = (0.8, 1.25)
    gain: Sequence[float] = (-12.0, 6.0)
    colour: float = 0.0
    backwards: float = 0.0
    mixed: float = 0.5
    mix_level: Sequence[float] = (-5.0, 15.0)
    rolled: bool = True

    def __post_init__(self) -> None:
        for low, high in (self.speed, self.gain, self.mix_level):
            if low > high or self.speed[0] <= 0:
                raise ValueError(
                    f"speed {self.speed}, gain {self.gain} and mix_level "
                    f"{self.mix_level} are limits, the lower one first, of speeds "
                    "above 0"
                )
        if self.colour < 0:
            raise ValueError(f"colour is 0 dB or more, not {self.colour}")
        shares = {"mixed": self.mixed, "backwards": self.backwards}
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise ValueError(f"{name} is a share, from 0 to 1, not {share}")


@dataclass(frozen=True)
class Draw:
    """How one clip is played.

    Arguments
    ---------
    position : float
        Where the window is, from 0 (begins the clip) to 1 (ends it).
    speed : float
        Speed.
    shift : float
        Where in the window it begins to be heard.
    gain : float
        Factor.
    backwards : bool
        Whether it is played from its end.
    colour : tuple of float
        What octaves are raised by, dB, the lowest first; between them, what lies
        between.
    """

    position: float
    speed: float = 1.0
    shift: float = 0.0
    gain: float = 1.0
    backwards: bool = False
    colour: Sequence[float] = ()


class Views:
    """Plays views of clips, at several rates at once.

    Arguments
    ---------
    clips : sequence of Clip
        Clips.
    rules : ViewRules
        How views are drawn.
    seed : int
        Seed of all draws; with it, they follow from the clip and the view alone.
    seconds : float
        Longest sound; of longer clips, a window is drawn.
    rates : sequence of int
        Rates at which a view is heard, Hz.

    Example
    -------
    >>> import soundfile
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, 0.1 * torch.randn(8000).numpy(), 8000)
    >>> views = Views([Clip("a", str(path), 1.0)], ViewRules(), 1, 0.5, [8000, 16000])
    >>> [len(wav) for wav in views.hear(0, view=3)]
    [4000, 8000]
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        rules: ViewRules,
        seed: int,
        seconds: float,
        rates: Sequence[int],
    ):
        self.clips = clips
        self.rules = rules
        self.seed = seed
        self.seconds = seconds
        self.rates = rates

    def hear(self, index: int, view: int) -> list[torch.Tensor]:
        """Plays one view.

        Arguments
        ---------
        index : int
            Place of the clip.
        view : int
            Number of the view; 0 is the clip as it is.

        Returns
        -------
        list of torch.Tensor
            The same sound at each of the rates, ``[time]``, float32.

        Raises
        ------
        AudioError
            If the clip, or the one to be mixed in, cannot be read.
        """
        clip = self.clips[index]
        generator = generator_for(self.seed, "view", view, clip.id)
        if view == 0:
            return self._play(clip, Draw(_between(generator, 0.0, 1.0)))
        sounds = self._play(clip, self._draw(generator))
        mixes = _between(generator, 0.0, 1.0) < self.rules.mixed
        level = _between(generator, *self.rules.mix_level)
        step = 1 + int(_between(generator, 0.0, 1.0) * (len(self.clips) - 1))
        if mixes and len(self.clips) > 1:
            other = self.clips[(index + step) % len(self.clips)]
            sounds = _mixed(sounds, self._play(other, self._draw(generator)), level)
        loudest = max(float(sound.abs().max()) for sound in sounds)
        return [sound / max(1.0, loudest) for sound in sounds]

    def _draw(self, generator: torch.Generator) -> Draw:
        rules, unit = self.rules, (0.0, 1.0)
        slowest, fastest = (math.log(limit) for limit in rules.speed)
        speed = math.exp(_between(generator, slowest, fastest))
        keeps = _between(generator, *unit) < 0.5
        position, shift = _between(generator, *unit), _between(generator, *unit)
        return Draw(
            position,
            speed=1.0 if keeps else speed,
            shift=shift if rules.rolled else 0.0,
            gain=10 ** (_between(generator, *rules.gain) / 20),
            backwards=_between(generator, *unit) < rules.backwards,
            colour=tuple(_colour(generator, rules.colour)) if rules.colour else (),
        )

    def _play(self, clip: Clip, draw: Draw) -> list[torch.Tensor]:
        span = self.seconds * draw.speed
        start = draw.position * max(0.0, clip.duration - span)
        sounds = []
        for rate in self.rates:
            # what was read at a lower rate than it is heard at is heard faster
            read = read_wav(clip.path, round(rate / draw.speed), start, span)
            read = read[: round(self.seconds * rate)]
            read = read.flip(0) if draw.backwards else read
            read = coloured(read, rate, draw.colour) if draw.colour else read
            sounds.append(draw.gain * read.roll(int(draw.shift * len(read))))
        return sounds


def coloured(
    wav: torch.Tensor, sample_rate: int, colour: Sequence[float]
) -> torch.Tensor:
    """Raises and lowers octaves of a sound, without a change of phase.

    Arguments
    ---------
    wav : torch.Tensor
        ``[time]``.
    sample_rate : int
        Its rate, Hz.
    colour : sequence of float
        What each octave is raised by, dB, around 62.5 Hz, 125 Hz, and so on; on a
        scale of octaves, what lies between is interpolated.

    Returns
    -------
    torch.Tensor
        ``[time]``.

    Example
    -------
    >>> time = torch.arange(8192) / 8000
    >>> low, high = (torch.sin(2 * math.pi * f * time) for f in (62.5, 125.0))
    >>> found = coloured(low + high, 8000, [-20.0, 0.0])
    >>> torch.allclose(found, 0.1 * low + high, atol=1e-3)
    True
    """
    size = 1 << (len(wav) - 1).bit_length()  # others take up to ten times as long
    spectrum = torch.fft.rfft(wav, size)
    hertz = torch.fft.rfftfreq(size, 1 / sample_rate)
    octave = (hertz / _LOWEST).clamp(min=1e-6).log2().clamp(0, len(colour) - 1)
    below = octave.floor().long().clamp(max=max(0, len(colour) - 2))
    levels = torch.tensor([*colour, colour[-1]])
    level = torch.lerp(levels[below], levels[below + 1], octave - below)
    return torch.fft.irfft(spectrum * 10 ** (level / 20), size)[: len(wav)]


def _colour(generator: torch.Generator, deviation: float) -> list[float]:
    drawn = torch.randn(_OCTAVES, generator=generator, dtype=torch.float64)
    return (deviation * drawn).tolist()


def _between(generator: torch.Generator, low: float, high: float) -> float:
    drawn = torch.rand(1, generator=generator, dtype=torch.float64).item()
    return low + drawn * (high - low)


def _mixed(
    sounds: list[torch.Tensor], others: list[torch.Tensor], level: float
) -> list[torch.Tensor]:
    """Two sounds together, one factor for all rates: it stays one sound."""
    own, their = (float(s[0].square().mean().sqrt()) for s in (sounds, others))
    if not own or not their:
        return sounds
    gain = min(own / their * 10 ** (-level / 20), _LOUDEST_GAIN)
    mixed = []
    for sound, other in zip(sounds, others, strict=True):
        whole = torch.zeros(max(len(sound), len(other)))
        whole[: len(sound)] += sound
        whole[: len(other)] += gain * other
        mixed.append(whole)
    return mixed
