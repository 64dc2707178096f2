"""HTTP with clients that are silent, and not waited for without end."""

from __future__ import annotations

import asyncio
from typing import Any

# Until a whole head of a request is there, in seconds.
LONGEST_HEAD = 30.0
# In which nothing of an answer is taken. A player that is paused takes nothing either;
# it asks again, from where it is.
LONGEST_UNREAD = 600.0


class Patience:
    """A connection that is closed where a client asks nothing, or takes no answer.

    Comes before one of uvicorn's protocols, whose methods these are.
    """

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begins to wait for the first request."""
        super().connection_made(transport)
        self._wait_for_head()

    def on_response_complete(self) -> None:
        """Begins to wait for the next one."""
        super().on_response_complete()
        self._wait_for_head()

    def pause_writing(self) -> None:
        """The client takes less than it is given."""
        super().pause_writing()
        self._unread = self.loop.call_later(LONGEST_UNREAD, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has taken it."""
        super().resume_writing()
        self._stop_waiting()

    def connection_lost(self, error: Exception | None) -> None:
        """Waits no more."""
        super().connection_lost(error)
        self._stop_waiting()

    def _stop_waiting(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _wait_for_head(self) -> None:
        self.loop.call_later(LONGEST_HEAD, self._close_if_still, self.cycle)

    def _close_if_still(self, cycle: object) -> None:
        """Where no other request has come since."""
        if self.cycle is cycle:
            self.transport.abort()
