"""Ready models: a checkpoint of any family in, embeddings and similarities out.

Example
-------
>>> from clap_sb.inference import CLAP
>>> CLAP.__name__
'CLAP'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clap_sb.inference.clap import CLAP

__all__ = ["CLAP"]


def __getattr__(name: str) -> Any:
    """Loads the interface when it is asked for."""
    if name == "CLAP":
        from clap_sb.inference.clap import CLAP

        return CLAP
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
