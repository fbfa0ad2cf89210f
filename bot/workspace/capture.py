"""Decide how much of a program's output is kept: its head and its tail, with what lies between counted."""

import asyncio
import contextlib
import os

_CHUNK = 1 << 18


class Capture:
    """The bytes of one pipe as the event loop reads them; `limit` are kept, a third of them from the head."""

    def __init__(self, descriptor: int, limit: int) -> None:
        self.closed = asyncio.get_running_loop().create_future()
        self._descriptor = descriptor
        self._head_limit = limit // 3
        self._tail_limit = limit - self._head_limit
        self._head = bytearray()
        self._tail = bytearray()
        self._seen = 0
        os.set_blocking(descriptor, False)
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    @property
    def omitted(self) -> int:
        """Return how many bytes were seen and not kept."""
        return self._seen - len(self._head) - min(len(self._tail), self._tail_limit)

    def text(self) -> str:
        """Return what was kept as UTF-8, broken and NUL bytes replaced, with a line where bytes miss."""
        head, tail = (bytes(part).replace(b"\0", b"\xff") for part in (self._head, self._kept()))
        if not self.omitted:
            return (head + tail).decode(errors="replace")
        gap = f"\n[... {self.omitted} bytes omitted ...]\n"
        return head.decode(errors="replace") + gap + tail.decode(errors="replace")

    def head(self) -> bytes:
        """Return the bytes before the first gap."""
        return bytes(self._head) if self.omitted else bytes(self._head + self._tail)

    def close(self) -> None:
        """Take what is in the pipe now and stop; nobody who writes to it is left."""
        if not self.closed.done():
            self._drain()
        self._finish()

    def _kept(self) -> bytearray:
        return self._tail[-self._tail_limit :]

    def _drain(self) -> None:
        while not self.closed.done():
            try:
                self._take(os.read(self._descriptor, _CHUNK))
            except BlockingIOError:
                return

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._take(os.read(self._descriptor, _CHUNK))

    def _take(self, data: bytes) -> None:
        if not data:
            self._finish()
            return
        self._seen += len(data)
        room = self._head_limit - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        if len(self._tail) > 2 * self._tail_limit + _CHUNK:
            del self._tail[: -self._tail_limit]

    def _finish(self) -> None:
        if self.closed.done():
            return
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
        self.closed.set_result(None)
