"""The browser page over an index: search, listen, drop a sound."""
