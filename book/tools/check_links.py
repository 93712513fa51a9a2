"""Does the built book work without a network? What its pages, styles and scripts refer to has to
lie beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["References", "faults"]

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

    >>> page = References('<a href="https://a.org">a</a> <script src="https://b.org/x.js"></script>
    <img src="c.png">')
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
        self.fetched += _of_style(given.get("style", ""))
        if tag == "a":
            self.followed += [given["href"]] if "href" in given else []
        elif tag != "link" or set(given.get("rel", "").split()) & _SHOWN:
            self.fetched += [given["href"]] if "href" in given else []

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.fetched += _of_style(data)
        elif self._inside == "script":
            self.fetched += _IN_SCRIPT.findall(data)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""


def _of_style(text: str) -> list[str]:
    return [address or imported for address, imported in _STYLE.findall(_COMMENT.sub("", text))]


def faults(site: Path) -> list[str]:
    """What is wrong with a folder of pages, a line each: what they would fetch elsewhere, what they
    refer to and lack."""
    site = site.resolve()
    # there: the theme's templates
    shown = [path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]
    pages = {path: References(path.read_text(encoding="utf-8")) for path in shown}
    found = []
    for path, page in pages.items():
        found += _missing(site, path, page.fetched, None)
        found += _missing(site, path, [a for a in page.followed if not _elsewhere(a)], pages)
    for path in sorted(site.rglob("*.css")):
        found += _missing(
            site, path, _of_style(path.read_text(encoding="utf-8", errors="replace")), None
        )
    return list(dict.fromkeys(found))


def _elsewhere(address: str) -> bool:
    return bool(urlsplit(address).netloc)


def _missing(
    site: Path, source: Path, addresses: list[str], pages: dict[Path, References] | None
) -> Iterator[str]:
    for address in addresses:
        parts = urlsplit(address)
        target = (source.parent / unquote(parts.path)).resolve() if parts.path else source
        if _elsewhere(address):
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
