"""What is raised of a module that cannot be a tower."""

from __future__ import annotations


class TowerError(ValueError):
    """A module that cannot be a tower, as it is."""
