"""Finding sounds: an index over folders, and queries by text, sound or picture.

Example
-------
>>> from clap_sb.search import SearchIndex
>>> SearchIndex.__name__
'SearchIndex'
"""

from clap_sb.search.index import SearchIndex

__all__ = ["SearchIndex"]
