"""What has changed in the folders of an index since it last looked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clap_sb.search.errors import SearchError
from clap_sb.search.records import FileRecord
from clap_sb.search.scan import Scan, Stamp, lies_in


@dataclass(frozen=True)
class Changes:
    """The difference between what a scan found and what an index knows.

    Arguments
    ---------
    gone : list of str
        Files to be taken out of the index.
    to_read : dict
        New and changed files: full name to stamp.
    unchanged : int
        Files that are as they were.
    """

    gone: list[str]
    to_read: dict[str, Stamp]
    unchanged: int

    @classmethod
    def between(
        cls,
        known: Mapping[str, FileRecord],
        found: Scan,
        folders: Sequence[str],
        retry: bool = False,
    ) -> Changes:
        """Compares.

        Arguments
        ---------
        known : mapping
            Files of the index: full name to record.
        found : Scan
            What is there now.
        folders : sequence of str
            All folders of the index; what lies in none of them is gone too.
        retry : bool
            Whether to read files again that could not be used.

        Returns
        -------
        Changes

        Example
        -------
        >>> from os.path import join
        >>> one, two = join("a", "1.wav"), join("a", "2.wav")
        >>> known = {one: FileRecord(Stamp(5, 1), 1), two: FileRecord(Stamp(6, 1), 2)}
        >>> found = Scan(("a",), {one: Stamp(5, 3)}, {})
        >>> changes = Changes.between(known, found, ["a"])
        >>> changes.gone == [two], list(changes.to_read) == [one], changes.unchanged
        (True, True, 0)
        """
        to_read = {
            path: stamp
            for path, stamp in found.files.items()
            if path not in known
            or known[path].stamp != stamp
            or (retry and known[path].error is not None)
        }
        gone = [
            path
            for path in known
            if found.misses(path) or not any(lies_in(path, f) for f in folders)
        ]
        return cls(gone, to_read, len(found.files) - len(to_read))


def check_not_emptied(known: Mapping[str, FileRecord], found: Scan) -> None:
    """Sees that no folder has lost all of its sounds at once.

    The mount point of a disk that is not mounted is an empty folder.

    Arguments
    ---------
    known : mapping
        Files of the index: full name to record.
    found : Scan
        What is there now.

    Raises
    ------
    SearchError
        If one has.
    """
    for folder in found.folders:
        had = [path for path in known if lies_in(path, folder)]
        if (
            had
            and all(found.misses(path) for path in had)
            and not any(lies_in(path, folder) for path in found.files)
        ):
            raise SearchError(
                f"{folder} holds no sound any more, and the index knows {len(had)} "
                "files there: mount the disk, if it is one; --allow-empty takes them "
                "for deleted, and --forget takes the folder out of the index"
            )
