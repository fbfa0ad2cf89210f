"""Decide where the links of a registry's index page lead: to signed paths of the egress proxy, or nowhere."""

import hashlib
import hmac
import html
import ipaddress
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote

from yarl import URL

ADDRESS = "http://127.0.0.1:3128"
"""Where the proxy is seen inside the sandbox; constant, because uv's cache key contains the index address."""
FILES = "/pypifiles/"
JSON = "application/vnd.pypi.simple.v1+json, text/html;q=0.1"


class Links:
    """Turn a file's address into a path of the proxy and back; only a path with our signature is valid.

    `trusted` says of an address whether it belongs to a configured registry. A file elsewhere needs HTTPS
    and a name (no address literal), so that a page can't point the proxy at the host's own network.
    """

    def __init__(self, key: bytes, trusted: Callable[[URL], bool]) -> None:
        self._key = key
        self._trusted = trusted

    def path(self, address: str, page: URL) -> str | None:
        """Return the proxy's path for a link on `page`, None for a link that isn't followed."""
        try:
            url = page.join(URL(address))
        except ValueError:
            return None
        if url.scheme not in {"http", "https"} or not url.host:
            return None
        fragment = f"#{url.raw_fragment}" if url.raw_fragment else ""
        url = url.with_fragment(None).with_user(None)
        if not self._trusted(url) and (url.scheme != "https" or _is_literal(url.host or "")):
            return None
        place = f"{url.raw_host}~{url.explicit_port}" if url.explicit_port else url.raw_host
        return f"{FILES}{self._sign(url)}/{url.scheme}/{place}{url.raw_path_qs}{fragment}"

    def address(self, rest: str) -> URL | None:
        """Return the address behind the part of a path after `FILES`, None without our signature.

        A wheel's metadata lies beside it (PEP 658), so its link carries the signature of the wheel.
        """
        signature, _, place = rest.partition("/")
        scheme, _, location = place.partition("/")
        host, _, path = location.partition("/")
        try:
            # pip quotes what it takes from a link again, a colon too: hence the tilde before a port.
            url = URL(f"{scheme}://{unquote(host).replace('~', ':')}/{path}")
        except ValueError:
            return None
        wheel = url.with_path(url.raw_path.removesuffix(".metadata"), encoded=True, keep_query=True)
        matches = [hmac.compare_digest(signature.encode(), self._sign(one).encode()) for one in (url, wheel)]
        return url if any(matches) else None

    def localise(self, lock: bytes, page_body: bytes, page: URL) -> bytes:
        """Return a uv.lock with the proxy's addresses for files on the hosts that an index page links to."""
        hosts = set(re.findall(rb"https?://[^/\"'<>\s]+", page_body)) | {str(page.origin()).encode()}

        def link(match: re.Match[bytes]) -> bytes:
            address = match[2].decode()
            path = self.path(address, page) if match[3] in hosts else None
            return match[1] + (ADDRESS + path if path else address).encode() + b'"'

        told = re.sub(rb'(\burl = ")((https?://[^/"]+)[^"]*)"', link, lock)
        return re.sub(
            rb'(source = \{ registry = )"https?://[^"]+"', rb'\1"%s/pypi/simple/"' % ADDRESS.encode(), told
        )

    def _sign(self, url: URL) -> str:
        return hmac.new(self._key, str(url).encode(), hashlib.sha256).hexdigest()[:32]


def simple(body: bytes, content_type: str, page: URL, links: Links) -> bytes:
    """Rewrite a project's page, JSON (PEP 691) or HTML (PEP 503). Raises ValueError when it is neither."""
    if content_type.endswith("json"):
        return _simple_json(body, page, links)
    if "html" in content_type:
        return _simple_html(body, page, links)
    raise ValueError(content_type)


def _simple_json(body: bytes, page: URL, links: Links) -> bytes:
    index: dict[str, Any] = json.loads(body)
    kept = []
    for file in index["files"]:
        path = links.path(file["url"], page)
        if path is not None:
            kept.append({**file, "url": path})
    return json.dumps({**index, "files": kept}).encode()


def _simple_html(body: bytes, page: URL, links: Links) -> bytes:
    reader = _Anchors()
    reader.feed(body.decode("utf-8", "replace"))
    reader.close()
    base = page.join(URL(reader.base)) if reader.base else page
    lines = ["<!DOCTYPE html><html><head>", *reader.meta, "</head><body>"]
    for attributes, text in reader.anchors:
        path = links.path(attributes.pop("href"), base)
        if path is not None:
            told = "".join(f' {name}="{html.escape(value)}"' for name, value in attributes.items())
            lines.append(f'<a href="{html.escape(path)}"{told}>{html.escape(text)}</a><br/>')
    return "\n".join([*lines, "</body></html>"]).encode()


class _Anchors(HTMLParser):
    """Collect the anchors of a page with their `data-` attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.meta: list[str] = []
        self.anchors: list[tuple[dict[str, str], str]] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an anchor, or keep a page's base and version."""
        told = {name: value or "" for name, value in attrs}
        if tag == "base":
            self.base = self.base or told.get("href", "")
        elif tag == "meta" and told.get("name", "").startswith("pypi:"):
            self.meta.append(
                f'<meta name="{html.escape(told["name"])}" content="{html.escape(told.get("content", ""))}">'
            )
        elif tag == "a" and "href" in told:
            kept = {name: value for name, value in told.items() if name == "href" or name.startswith("data-")}
            self.anchors.append((kept, ""))
            self._open = True

    def handle_endtag(self, tag: str) -> None:
        """Close an anchor."""
        if tag == "a":
            self._open = False

    def handle_data(self, data: str) -> None:
        """Add to the open anchor's text."""
        if self._open:
            attributes, text = self.anchors[-1]
            self.anchors[-1] = (attributes, text + data.strip())


def npm(body: bytes, content_type: str, page: URL, links: Links) -> bytes:
    """Rewrite the tarball links of an npm package document; npm needs them absolute.

    Raises ValueError when it is no JSON.
    """
    if not content_type.endswith("json"):
        raise ValueError(content_type)
    document: dict[str, Any] = json.loads(body)
    versions = document.get("versions")
    for version in versions.values() if isinstance(versions, dict) else [document]:
        dist = version.get("dist")
        if isinstance(dist, dict) and isinstance(dist.get("tarball"), str):
            dist["tarball"] = ADDRESS + (links.path(dist["tarball"], page) or "/refused")
    return json.dumps(document).encode()


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host.lower() == "localhost" or host.replace(".", "").isdigit()
    return True
