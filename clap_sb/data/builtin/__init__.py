"""The built-in set: synthesised, captioned sound events.

Everything is drawn from a seed and computed with numpy, so that the recipes run
with no data set at hand. `write_audiocaps` writes captioned clips in AudioCaps' own
layout, `write_esc50` labelled ones in ESC-50's; the ordinary preparation then reads
them like the real sets. `LABELS` names the kinds of event.
"""

from __future__ import annotations

from clap_sb.data.builtin.audiocaps import write_audiocaps
from clap_sb.data.builtin.esc50 import write_esc50
from clap_sb.data.builtin.events import LABELS

__all__ = ["LABELS", "write_audiocaps", "write_esc50"]
