"""Contrastive language-audio pretraining (CLAP) for SpeechBrain.

The package is a set of rooms, each importable by itself: ``clap_sb.data``,
``clap_sb.features``, ``clap_sb.encoders``, ``clap_sb.objectives``,
``clap_sb.model``, ``clap_sb.brain`` and ``clap_sb.evaluation``. Importing
``clap_sb`` itself loads none of them, so that it costs next to nothing.

Example
-------
>>> import clap_sb
>>> clap_sb.__version__.count(".")
2
"""

import os

# Read when torch is loaded. Threads that wait for one another spin otherwise, and in a
# step of a small model they wait a thousand times: beside other work that takes several
# times as much of the cores. GNU's threads spin for some microseconds, since most waits
# are as short, and then sleep; others sleep at once. What the user has set stands.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "passive"
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

__version__ = "0.1.0"
