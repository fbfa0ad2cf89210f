"""Decide which answers of one installation can be asked for again at no cost.

A conditional request that ends in 304 does not count against the primary limit (GitHub, "Best practices for
using the REST API"). What one installation may read is never handed to another: each has its own cache.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cachetools import LRUCache

_MOST_BYTES = 1_000_000  # bodies kept for one installation
_LARGEST = 200_000


@dataclass(frozen=True)
class Kept:
    """An answer as bytes: whoever decodes it has a copy of his own."""

    etag: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Etags:
    """The last answers of one installation, by address."""

    def __init__(self) -> None:
        self._kept: LRUCache[str, Kept] = LRUCache(_MOST_BYTES, getsizeof=lambda kept: len(kept.body) + 1_000)

    def find(self, url: str) -> Kept | None:
        """Return what was last answered there, if it is still kept."""
        return self._kept.get(url)

    def keep(self, url: str, headers: Mapping[str, str], body: bytes) -> None:
        """Keep an answer that names its version; very large ones are left out."""
        etag = headers.get("etag")
        if etag is None or len(body) > _LARGEST:
            self._kept.pop(url, None)
            return
        told = {name: headers[name] for name in ("content-type", "link") if name in headers}
        self._kept[url] = Kept(etag, told, body)
