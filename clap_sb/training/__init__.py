"""What training is made of besides the model: schedule, groups, statistics, saving."""

from clap_sb.torchaudio_fit import require_torchaudio

require_torchaudio()  # before SpeechBrain imports it
