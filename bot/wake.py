"""Tell the worker process that something waits, and tell it when its server is gone."""

import asyncio
import os
from collections.abc import Callable


class Bell:
    """The server's end of the pipe."""

    def __init__(self) -> None:
        self.worker_end, self._ours = os.pipe()
        os.set_blocking(self._ours, False)

    def ring(self) -> None:
        """Wake the worker; a full pipe means that it has not yet heard the last ring, which is enough."""
        try:
            os.write(self._ours, b"!")
        except (BlockingIOError, BrokenPipeError):
            return

    def close(self) -> None:
        """Let go of both ends."""
        os.close(self.worker_end)
        os.close(self._ours)


def listen(descriptor: int, woken: Callable[[], None], orphaned: Callable[[], None]) -> None:
    """Call `woken` at each ring, and `orphaned` once when the server's end is closed by its death."""
    loop = asyncio.get_running_loop()
    os.set_blocking(descriptor, False)

    def readable() -> None:
        if os.read(descriptor, 4096):
            woken()
        else:
            loop.remove_reader(descriptor)
            orphaned()

    loop.add_reader(descriptor, readable)
