"""How large a YAML becomes, told before anything of it is built."""

from __future__ import annotations

from clap_sb.checkpoints.errors import CheckpointError

_DEEPEST = 50
_MOST_NODES = 100_000


def check_yaml_size(text: str) -> None:
    """Refuses YAML that some bytes make endless: nested far too deep, or in aliases.

    A list of nine aliases to a list of nine aliases, and so on: each level is nine
    times as large as the one before, and seven of them take half a minute.

    Arguments
    ---------
    text : str
        YAML.

    Raises
    ------
    CheckpointError
        If it is too large, or holds itself.

    Example
    -------
    >>> check_yaml_size("a: &a [1, 2]\\nb: [*a, *a]")
    >>> check_yaml_size("&a [*a]")
    Traceback (most recent call last):
    ...
    clap_sb.checkpoints.errors.CheckpointError: it holds itself (*a)
    """
    import ruamel.yaml

    open_nodes: list[tuple[str | None, int]] = []  # anchor, nodes so far
    sizes: dict[str, int] = {}
    for event in ruamel.yaml.YAML().parse(text):
        if isinstance(event, ruamel.yaml.events.CollectionStartEvent):
            open_nodes.append((event.anchor, 1))
            if len(open_nodes) > _DEEPEST:
                raise CheckpointError(f"it is nested more than {_DEEPEST} deep")
            continue
        if isinstance(event, ruamel.yaml.events.CollectionEndEvent):
            anchor, size = open_nodes.pop()
            sizes[anchor] = size
        elif isinstance(event, ruamel.yaml.events.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in open_nodes):
                raise CheckpointError(f"it holds itself (*{event.anchor})")
            size = sizes.get(event.anchor, 1)
        elif isinstance(event, ruamel.yaml.events.ScalarEvent):
            size = sizes[event.anchor] = 1
        else:
            continue
        if open_nodes:
            anchor, others = open_nodes[-1]
            open_nodes[-1] = anchor, others + size
            if others + size > _MOST_NODES:
                raise CheckpointError(
                    f"with its aliases it has more than {_MOST_NODES} values"
                )
