"""What is left by something that writes, when each of its operations fails or kills."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from clap_sb.search.errors import SearchError
from clap_sb.whole_file import WriteError
from faults.failing_disk import FailingDisk

State = Mapping[object, object]


@dataclass(frozen=True)
class Faults:
    """A way for a disk to fail."""

    name: str
    error: int = errno.ENOSPC
    from_then_on: bool = False
    kills: bool = False


FAULTS = (
    Faults("full once"),
    Faults("full from then on", from_then_on=True),
    Faults("an I/O error", errno.EIO),
    Faults("read-only from then on", errno.EROFS, from_then_on=True),
    Faults("killed", kills=True),
)


@dataclass(frozen=True)
class Scenario:
    """Something that writes.

    Arguments
    ---------
    name : str
        What it is.
    before : callable
        Writes what is there before, into an empty folder.
    act : callable
        Does it in that folder.
    state : callable
        What a reader finds there; an error if it is damaged.
    allowed : callable
        Whether a state may be found after a fault, given those before and after.
    """

    name: str
    before: Callable[[Path], None]
    act: Callable[[Path], object]
    state: Callable[[Path], State]
    allowed: Callable[[State, State, State], bool] = lambda found, old, new: (
        found in (old, new)
    )


@dataclass
class Result:
    """What was tried.

    Arguments
    ---------
    operations : int
        That there are in all.
    tried : int
        Faults.
    told : int
        Of these, those that ended with an error that says so.
    killed : int
        Of these, those that ended the process.
    """

    operations: int = 0
    tried: int = 0
    told: int = 0
    killed: int = 0


def survive(
    scenario: Scenario,
    faults: Iterable[Faults] = FAULTS,
    places: Callable[[int], Iterable[int]] = lambda n: range(1, n + 1),
) -> Result:
    """Lets each operation fail, and looks at what is left.

    Arguments
    ---------
    scenario : Scenario
        What writes.
    faults : iterable of Faults
        How the disk fails.
    places : callable
        Which of so many operations fail: all, unless told otherwise.

    Returns
    -------
    Result
    """
    with tempfile.TemporaryDirectory() as scratch:
        origin = Path(scratch) / "before"
        origin.mkdir()
        scenario.before(origin)
        old = scenario.state(origin)
        place = Path(scratch) / "place"
        shutil.copytree(origin, place)
        with FailingDisk(place) as disk:
            scenario.act(place)
        new, result = scenario.state(place), Result(operations=len(disk.done))
        assert new != old, "nothing was written"
        for fault in faults:
            for nth in places(len(disk.done)):
                shutil.rmtree(place)
                shutil.copytree(origin, place)
                where = f"{scenario.name}, {fault.name} at {nth} ({disk.done[nth - 1]})"
                _fail(scenario, fault, nth, place, result, where)
                found = scenario.state(place)
                assert scenario.allowed(found, old, new), f"{where}: damaged"
                scenario.act(place)
                assert scenario.state(place) == new, f"{where}: not gone on with"
        return result


def _fail(
    scenario: Scenario, fault: Faults, nth: int, place: Path, result: Result, where: str
) -> None:
    result.tried += 1
    how = (nth, fault.error, fault.from_then_on, fault.kills)
    if fault.kills:
        child = os.fork()
        if not child:
            signal.alarm(120)  # a child that hangs is an error, and no kill
            try:
                with FailingDisk(place, *how):
                    scenario.act(place)
            finally:
                os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, -signal.SIGKILL), f"{where}: ended with {status}"
        result.killed += status < 0
        return
    try:
        with FailingDisk(place, *how):
            scenario.act(place)
    except (WriteError, SearchError) as error:
        result.told += 1
        assert str(place) in str(error), f"{where}: names no file: {error}"
    except OSError as error:  # before anything was begun: it names its file
        result.told += 1
        assert error.errno == fault.error, f"{where}: {error!r}"
