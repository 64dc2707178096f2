"""What every training recipe does: begin, train, test and report.

A script imports it before torch and SpeechBrain: what they read when they are loaded is
set here, and a torchaudio that does not fit is told.
"""

import os

from clap_sb.torchaudio_fit import require_torchaudio

# torch reads this at its first tensor: large ones then come from huge pages, where the
# system has them (Linux). A step on a CPU else spends a sixth of its time, or more, on
# giving memory back and taking it anew.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

require_torchaudio()  # before SpeechBrain imports it
