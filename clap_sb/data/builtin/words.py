"""Words of the captions: for every trait, and for every kind of event."""

from __future__ import annotations

# In step with the opposite: the n-th word of "high" stands where that of "low" would.
ADJECTIVES = {
    "high": ("high", "high-pitched"),
    "low": ("low", "low-pitched"),
    "fast": ("fast", "quick", "rapid"),
    "slow": ("slow", "slow", "slow"),
    "loud": ("loud", "loud"),
    "soft": ("soft", "quiet"),
    "near": ("nearby", "close"),
    "far": ("distant", "faraway"),
}

ADVERBIALS = {
    "high": ("at a high pitch", "with a high pitch"),
    "low": ("at a low pitch", "with a low pitch"),
    "fast": ("quickly", "rapidly"),
    "slow": ("slowly", "slowly"),
    "loud": ("loudly", "loudly"),
    "soft": ("softly", "quietly"),
    "near": ("nearby", "close by", "up close"),
    "far": ("far away", "in the distance", "from afar"),
}

NOUNS = {
    "tone": ("a tone", "a steady tone", "a held note", "an electronic tone"),
    "siren": ("a siren", "a wailing siren", "an emergency siren", "a siren wailing"),
    "rain": ("rain", "falling rain", "rain falling", "rainfall", "a rain shower"),
    "engine": ("an engine", "a running engine", "a motor", "an engine running"),
    "beeping_alarm": (
        "an alarm",
        "a beeping alarm",
        "an alarm beeping",
        "beeps of an alarm clock",
    ),
    "whistle": ("a whistle", "a rising whistle", "whistling", "a whistle blowing"),
    "wind": ("wind", "blowing wind", "wind blowing", "howling wind", "a breeze"),
    "car_horn": (
        "a car horn",
        "a honking horn",
        "a horn",
        "a car honking",
        "a vehicle horn",
    ),
    "ticking_clock": ("a clock", "a ticking clock", "a clock ticking", "clock ticks"),
    "bell": ("a bell", "a ringing bell", "a church bell", "a bell ringing"),
    "chirping_bird": (
        "a bird",
        "a chirping bird",
        "birdsong",
        "a bird chirping",
        "a singing bird",
    ),
    "door_knock": (
        "a door knock",
        "knocking on a door",
        "knocks on wood",
        "door knocks",
        "knocking",
    ),
    "footsteps": (
        "footsteps",
        "steps on a floor",
        "walking",
        "steps of a person",
        "shoes on a hard floor",
    ),
    "barking_dog": (
        "a dog",
        "a barking dog",
        "a dog barking",
        "dog barks",
        "barks of a dog",
    ),
    "dripping_water": (
        "dripping water",
        "water dripping",
        "water drops",
        "a dripping tap",
        "drops of water",
    ),
    "cricket": (
        "a cricket",
        "a chirping cricket",
        "a cricket chirping",
        "an insect",
    ),
}

CLAUSES = {
    "tone": (
        ("a tone", "sounds"),
        ("a note", "is held"),
        ("a steady tone", "plays"),
        ("a machine", "holds a tone"),
    ),
    "siren": (
        ("a siren", "wails"),
        ("an emergency siren", "sounds"),
        ("a siren", "goes off"),
        ("a siren", "rises and falls"),
    ),
    "rain": (
        ("rain", "falls"),
        ("rain", "patters"),
        ("rain", "comes down"),
        ("raindrops", "fall"),
    ),
    "engine": (
        ("an engine", "runs"),
        ("a motor", "hums"),
        ("an engine", "rumbles"),
        ("a motor", "is running"),
    ),
    "beeping_alarm": (
        ("an alarm", "beeps"),
        ("an alarm", "goes off"),
        ("an electronic alarm", "sounds"),
        ("an alarm clock", "beeps"),
    ),
    "whistle": (
        ("a whistle", "blows"),
        ("a whistle", "sounds"),
        ("a person", "whistles"),
        ("a whistle", "glides up"),
    ),
    "wind": (
        ("wind", "blows"),
        ("wind", "howls"),
        ("wind", "rushes"),
        ("a breeze", "blows"),
    ),
    "car_horn": (
        ("a car horn", "honks"),
        ("a car", "honks"),
        ("a horn", "blares"),
        ("a driver", "honks a horn"),
    ),
    "ticking_clock": (
        ("a clock", "ticks"),
        ("a wall clock", "ticks"),
        ("a clock", "is ticking"),
    ),
    "bell": (
        ("a bell", "rings"),
        ("a church bell", "tolls"),
        ("a bell", "chimes"),
        ("a bell", "is struck"),
    ),
    "chirping_bird": (
        ("a bird", "chirps"),
        ("a bird", "tweets"),
        ("a small bird", "sings"),
        ("a bird", "is chirping"),
    ),
    "door_knock": (
        ("a person", "knocks on a door"),
        ("a visitor", "knocks"),
        ("a person", "raps on wood"),
    ),
    "footsteps": (
        ("a person", "walks"),
        ("footsteps", "sound"),
        ("a person", "steps on a floor"),
        ("shoes", "step on a hard floor"),
    ),
    "barking_dog": (
        ("a dog", "barks"),
        ("a dog", "yaps"),
        ("a dog", "is barking"),
    ),
    "dripping_water": (
        ("water", "drips"),
        ("a tap", "drips"),
        ("water", "drops into a sink"),
        ("drops of water", "fall"),
    ),
    "cricket": (
        ("a cricket", "chirps"),
        ("an insect", "chirps"),
        ("a cricket", "sings"),
    ),
}
