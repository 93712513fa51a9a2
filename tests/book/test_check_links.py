"""A page that would need a network, or a file that is not there, is found; a page that needs
neither passes."""

import pytest

from book.tools import build
from book.tools.check_links import find_faults
from stride_nb.errors import InputError

WHOLE = """<html><head><link rel="canonical" href="https://a.org/">
<link rel="stylesheet" href="_static/style.css?v=1">
<style>h1 { background: url(data:image/png;base64,AA) }</style>
<script src="_static/x.js"></script></head>
<body id="top"><a href="https://a.org">elsewhere</a><a href="#top">up</a>
<a href="sub/b%20c.html#there">next</a>
<img src="data:image/png;base64,AA" srcset="_static/x.js 2x">
<svg xmlns="http://www.w3.org/2000/svg"><use href="#top"/></svg>
<script>const svg = "http://www.w3.org/2000/svg";</script></body></html>"""


@pytest.fixture
def site(tmp_path):
    (tmp_path / "_static").mkdir()
    (tmp_path / "sub").mkdir()
    (tmp_path / "_static/style.css").write_text("/* url(https://a.org) */ @import 'more.css';")
    (tmp_path / "_static/more.css").write_text(
        "i { src: url('x.js#a') url(data:font/woff2;base64,AA) }"
    )
    (tmp_path / "_static/template.html").write_text("<script src='{{ path }}'></script>")
    (tmp_path / "_static/x.js").write_text("")
    (tmp_path / "sub/b c.html").write_text("<h1 id=there></h1><a href='../a.html'>back</a>")
    (tmp_path / "a.html").write_text(WHOLE)
    return tmp_path


def test_what_needs_nothing_passes(site):
    assert find_faults(site) == []
    build.check(site)


@pytest.mark.parametrize(
    "tag, fault",
    [
        ("<script async src='https://d.org/x.js'></script>", "fetches https://d.org/x.js"),
        ("<img alt='' src=//d.org/a.png>", "fetches //d.org/a.png"),
        ("<img src='none.png'>", "none.png is not there"),
        ("<img srcset='_static/x.js 1x, http://d.org/b.png 2x'>", "fetches http://d.org/b.png"),
        ("<link href='https://d.org/a.css' rel='stylesheet'>", "fetches https://d.org/a.css"),
        ("<link rel='shortcut icon' href='none.ico'>", "none.ico is not there"),
        ("<a href='none.html'>x</a>", "none.html is not there"),
        ("<a href='sub/b%20c.html#nowhere'>x</a>", "sub/b%20c.html#nowhere has no such place"),
        ("<a href='#no'>x</a>", "#no has no such place"),
        ("<p style='background: url(https://d.org/a.png)'>", "fetches https://d.org/a.png"),
        ("<video poster='none.png'>", "none.png is not there"),
        ("<style>@import 'https://d.org/a.css';</style>", "fetches https://d.org/a.css"),
        ("<object data='none.svg'>", "none.svg is not there"),
        ("<script>import('https://d.org/m.js')</script>", "fetches https://d.org/m.js"),
        ("<iframe src='https://d.org'>", "fetches https://d.org"),
    ],
)
def test_what_a_page_would_need_is_named(tag, fault, site):
    (site / "a.html").write_text(WHOLE.replace("</body>", tag + "</body>"))
    assert find_faults(site) == [f"a.html: {fault}"]


def test_styles_too(site, capsys):
    (site / "_static/more.css").write_text(
        '@font-face { src: url(https://d.org/f.woff2) } i { background: url("none.png") }'
    )
    assert find_faults(site) == [
        "_static/more.css: fetches https://d.org/f.woff2",
        "_static/more.css: none.png is not there",
    ]
    with pytest.raises(InputError, match=r"fetches https://d.org/f.woff2"):
        build.check(site)
    assert build.main(["check", str(site)]) == 2 and "none.png" in capsys.readouterr().err
