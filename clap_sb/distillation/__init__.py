"""A small student learns a teacher's embeddings, from sounds alone."""

import clap_sb.experiment  # noqa: F401  what is to be set before torch is loaded
