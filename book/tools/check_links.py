"""Check that the built book works without a network: what its pages, styles and scripts refer to
has to lie beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["References", "find_faults"]

_STYLE = re.compile(r"""url\(\s*["']?([^"')]+)["']?\s*\)|@import\s+["']([^"']+)["']""")
_COMMENT = re.compile(r"/\*.*?\*/", re.S)
_IN_SCRIPT = re.compile(
    r"""["'`]((?:https?:)?//(?!www\.w3\.org/)[\w-]+(?:\.[\w-]+)+[^"'`\s]*)["'`]"""
)
# links whose target a browser fetches
_SHOWN = {"stylesheet", "icon", "preload", "prefetch", "modulepreload", "manifest"}


class References(HTMLParser):
    """Of one page: what is ``fetched`` to show it, ``followed`` by a reader who clicks, and the
    ``anchors`` that it has.

    >>> text = '<a href="https://a.org">a</a> <script src="https://b.org/x.js"></script>'
    >>> page = References(text + '<img src="c.png">')
    >>> page.fetched, page.followed
    (['https://b.org/x.js', 'c.png'], ['https://a.org'])
    """

    def __init__(self, page: str):
        super().__init__()
        self.fetched, self.followed, self.anchors, self._inside = [], [], set(), ""
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        """What a tag can be linked by, and what it fetches."""
        given = {name: value or "" for name, value in attributes}
        self._inside = tag
        self.anchors |= {given.get("id"), given.get("name")} - {None}
        self.fetched += [given[name] for name in ("src", "poster") if given.get(name)]
        self.fetched += [given["data"]] if tag == "object" and "data" in given else []
        self.fetched += [
            part.split()[0] for part in given.get("srcset", "").split(",") if part.strip()
        ]
        self.fetched += _find_in_style(given.get("style", ""))
        if tag == "a":
            self.followed += [given["href"]] if "href" in given else []
        elif tag != "link" or set(given.get("rel", "").split()) & _SHOWN:
            self.fetched += [given["href"]] if "href" in given else []

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.fetched += _find_in_style(data)
        elif self._inside == "script":
            self.fetched += _IN_SCRIPT.findall(data)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""


def _find_in_style(text: str) -> list[str]:
    return [address or imported for address, imported in _STYLE.findall(_COMMENT.sub("", text))]


def find_faults(site: Path) -> list[str]:
    """What is wrong with a folder of pages, a line each: what they would fetch elsewhere, what they
    refer to and lack."""
    site = site.resolve()
    # there: the theme's templates
    shown = [path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]
    pages = {path: References(path.read_text(encoding="utf-8")) for path in shown}
    faults = []
    for path, page in pages.items():
        faults += _find_missing(site, path, page.fetched, None)
        local = [address for address in page.followed if not _is_remote(address)]
        faults += _find_missing(site, path, local, pages)
    for path in sorted(site.rglob("*.css")):
        addresses = _find_in_style(path.read_text(encoding="utf-8", errors="replace"))
        faults += _find_missing(site, path, addresses, None)
    return list(dict.fromkeys(faults))


def _is_remote(address: str) -> bool:
    return bool(urlsplit(address).netloc)


def _find_missing(
    site: Path, source: Path, addresses: list[str], pages: dict[Path, References] | None
) -> Iterator[str]:
    for address in addresses:
        parts = urlsplit(address)
        target = (source.parent / unquote(parts.path)).resolve() if parts.path else source
        if _is_remote(address):
            yield f"{source.relative_to(site)}: fetches {address}"
        elif parts.scheme:  # data:, mailto:, javascript:
            continue
        elif not target.exists():
            yield f"{source.relative_to(site)}: {address} is not there"
        elif (
            pages
            and parts.fragment
            and target in pages
            and unquote(parts.fragment) not in pages[target].anchors
        ):
            yield f"{source.relative_to(site)}: {address} has no such place"
