"""Decide where one server-sent event ends and the next begins.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation, without ids and
retry times: a smee channel replays nothing.
"""

from collections.abc import Iterator


class TooLong(Exception):
    """The server sends more than any event may hold."""


class EventStream:
    """Events out of chunks, however they were cut; `most` bytes are held at most."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._line = bytearray()
        self._after_return = False  # the last chunk ended with \r: a \n that follows belongs to it
        self._first = True
        self._name = ""
        self._data: list[str] = []
        self._held = 0

    def feed(self, chunk: bytes) -> Iterator[tuple[str, str]]:
        """Yield each event that this chunk completes, as its name and its data; raises TooLong."""
        if self._after_return and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._after_return = False
        if not chunk:
            return
        self._after_return = chunk.endswith(b"\r")
        *whole, rest = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for piece in whole:
            self._hold(piece)
            line = self._line.decode("utf-8", "replace")
            self._line.clear()
            yield from self._take(line)
        self._hold(rest)

    def _hold(self, piece: bytes) -> None:
        self._line += piece
        if len(self._line) + self._held > self._most:
            raise TooLong(f"an event of more than {self._most} bytes")

    def _take(self, line: str) -> Iterator[tuple[str, str]]:
        if self._first:
            self._first, line = False, line.removeprefix("\ufeff")
        if not line:
            if self._data:
                yield self._name or "message", "\n".join(self._data)
            self._name, self._data, self._held = "", [], 0
            return
        field, _, value = line.partition(":")  # a comment's field is empty
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
            self._held += len(line)
        elif field == "event":
            self._name = value
