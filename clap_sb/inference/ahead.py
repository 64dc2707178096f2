"""Work that threads do ahead of whoever takes its results: in order, and bounded."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class _Threads(ThreadPoolExecutor):
    """Works in the caller's own thread where the interpreter ends.

    Threads go on after the main one has come to its end, and are waited for, but pools
    take nothing from then on.
    """

    is_left = False

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.is_left = True
        super().shutdown(wait, cancel_futures=cancel_futures)

    def submit(self, function: Callable, /, *arguments: Any) -> Future:
        try:
            return super().submit(function, *arguments)
        except RuntimeError as error:
            if self.is_left or "cannot schedule new futures" not in str(error):
                raise
        done: Future = Future()
        try:
            done.set_result(function(*arguments))
        except Exception as error:
            done.set_exception(error)
        return done


@contextlib.contextmanager
def threads(
    count: int, begin: Callable[[], object] | None = None
) -> Iterator[ThreadPoolExecutor]:
    """Some threads; what has not begun when they are left never does.

    Arguments
    ---------
    count : int
        How many.
    begin : callable, optional
        What each of them does first.

    Yields
    ------
    ThreadPoolExecutor
    """
    pool = _Threads(count, initializer=begin)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def ahead(
    pool: ThreadPoolExecutor,
    function: Callable[[_Item], _Result],
    items: Iterable[_Item],
    most: int,
) -> Iterator[_Result]:
    """Maps in threads, in order, and only so far ahead of who takes the results.

    Arguments
    ---------
    pool : ThreadPoolExecutor
        The threads.
    function : callable
        What to do with an item.
    items : iterable
        Taken one by one, by the thread that takes the results.
    most : int
        Items under way at once.

    Yields
    ------
    the results, in the order of the items

    Example
    -------
    >>> with ThreadPoolExecutor(2) as pool:
    ...     list(ahead(pool, abs, [-1, -2, -3], 2))
    [1, 2, 3]
    """
    under_way: deque = deque()
    for item in items:
        under_way.append(pool.submit(function, item))
        if len(under_way) >= most:
            yield under_way.popleft().result()
    while under_way:
        yield under_way.popleft().result()


def side_by_side(
    pool: ThreadPoolExecutor, many: Iterable[Iterator[_Item]], most: int
) -> Iterator[_Item]:
    """Takes steps of several iterators in threads, and gives their items in order.

    All items of the first come first. Each iterator is a step ahead of who takes the
    results, and never in two threads at once: a few are waiting with their first item
    while one is used up.

    Arguments
    ---------
    pool : ThreadPoolExecutor
        The threads.
    many : iterable of iterators
        Taken one by one, by the thread that takes the results; they are generators, and
        closed if this one is.
    most : int
        Iterators under way at once.

    Yields
    ------
    the items

    Example
    -------
    >>> letters = ((letter for letter in word) for word in ("ab", "", "c"))
    >>> with ThreadPoolExecutor(2) as pool:
    ...     list(side_by_side(pool, letters, 2))
    ['a', 'b', 'c']
    """
    under_way: deque[tuple[Iterator[_Item], Future]] = deque()
    try:
        for one in many:
            under_way.append((one, pool.submit(_step, one)))
            if len(under_way) >= most:
                yield from _used_up(pool, under_way)
        while under_way:
            yield from _used_up(pool, under_way)
    finally:
        wait([step for _, step in under_way if not step.cancel()])
        for one, _ in under_way:
            one.close()


def _step(one: Iterator[_Item]) -> tuple[_Item, ...]:
    """The next item, if there is one."""
    for item in one:
        return (item,)
    return ()


def _used_up(
    pool: ThreadPoolExecutor, under_way: deque[tuple[Iterator[_Item], Future]]
) -> Iterator[_Item]:
    """All items of the first one."""
    one, step = under_way[0]
    while items := step.result():
        step = pool.submit(_step, one)
        under_way[0] = one, step
        yield from items
    under_way.popleft()
