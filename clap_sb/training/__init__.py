"""What training is made of besides the model: schedule, groups, statistics, saving."""

import logging

from clap_sb.torchaudio_fit import require_torchaudio

require_torchaudio()  # before SpeechBrain imports it


def _is_of_use(record: logging.LogRecord) -> bool:
    """SpeechBrain warns, wherever it is imported, of what only its figures need."""
    return "torchvision" not in record.getMessage()


logging.getLogger("speechbrain.utils.train_logger").addFilter(_is_of_use)
