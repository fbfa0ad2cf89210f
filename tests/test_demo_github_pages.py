"""The pages of the stand-in show issues and pull requests, and let no markup of a writer through."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from demo.github.pages import markdown
from tests import github_world
from tests.github_world import Bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Serve a world with one repository and one open issue."""
    async with github_world.bench(tmp_path) as made:
        await made.world.open_issue("acme/shop", "maria", "Totals <b>", "**Off** by <script>one</script>")
        yield made


async def _page(bench: Bench, path: str) -> str:
    async with bench.session.get(bench.world.url + path) as answer:
        assert answer.status == 200
        return await answer.text()


async def test_an_issue_is_shown(bench: Bench) -> None:
    """Title, text and comments are there; a script is text."""
    await bench.world.comment(
        bench.world.issue("acme/shop", 1), bench.world.app.bot, "| a | b |\n|---|---|\n| 1 | 2 |"
    )
    text = await _page(bench, "/acme/shop/issues/1")
    assert "Totals &lt;b&gt;" in text
    assert "<strong>Off</strong> by &lt;script&gt;" in text
    assert "<td>1</td><td>2</td>" in text
    assert "<script" not in text


async def test_a_pull_request_is_shown_with_its_difference(bench: Bench) -> None:
    """Commits and the coloured difference are there; the repository lists both threads."""
    await bench.world.commit("acme/shop", "work", {"shop.py": "TOTAL = '<2>'\n"}, "maria", "Fix <it>")
    pull = await bench.world.open_pull("acme/shop", "maria", "Fix", "work", body="Fixes #1")
    await bench.world.review(pull, "kim", "APPROVE", "Fine")
    text = await _page(bench, "/acme/shop/pull/2")
    assert '<span class="del">-TOTAL = 1</span>' in text
    assert '<span class="add">+TOTAL = &#x27;&lt;2&gt;&#x27;</span>' in text
    assert "Fix &lt;it&gt;" in text
    assert "reviewed: approved" in text
    overview = await _page(bench, "/acme/shop")
    assert 'href="/acme/shop/pull/2"' in overview
    assert 'href="/acme/shop/issues/1"' in overview
    assert "acme/shop" in await _page(bench, "/")


async def test_what_is_not_there_is_404(bench: Bench) -> None:
    """Unknown repositories and numbers are not found."""
    for path in ("/acme/none", "/acme/shop/issues/9"):
        async with bench.session.get(bench.world.url + path) as answer:
            assert answer.status == 404


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# A `b`", "<h1>A <code>b</code></h1>"),
        ("```py\n<x> **y**\n```", "<pre><code>&lt;x&gt; **y**\n</code></pre>"),
        ("- [x] done\n- [ ] *open*", "☑ done"),
        ("<details><summary>More</summary>\n\nText\n</details>", "<details><summary>More</summary>"),
        ("<!-- marker -->\nText", "<p>Text</p>"),
        ("> quoted\n> more", "<blockquote><p>quoted<br>more</p></blockquote>"),
        ("[x](https://example.com/?a=1&b=2)", '<a href="https://example.com/?a=1&amp;b=2">x</a>'),
        ("1. one\n2. two", "<ol><li"),
        ("a | b\n--- | ---\n`x` | **y**", "<td><code>x</code></td><td><strong>y</strong></td>"),
        ("---", "<hr>"),
        ("@&#8203;maria &amp; `&#95;`", "<p>@&#8203;maria &amp; <code>&amp;#95;</code></p>"),
        ('<span aria-hidden="true">x</span> <code>y</code>', "<span>x</span> <code>y</code>"),
    ],
)
def test_markdown_looks_as_meant(text: str, expected: str) -> None:
    """Headings, fences, lists, details, comments, quotes, links, tables and rules are rendered."""
    assert expected in markdown.render(text)


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=alert(1)>",
        '[x](javascript:alert(1)) [y](https://a"onclick="b)',
        "<details ontoggle=alert(1)>",
        '`<b onclick="x">`',
        "&lt;script&gt; &#60;script&#62; &amp;lt;script>",
        "```\n</code></pre><script>\n```",
    ],
)
def test_markdown_lets_no_markup_through(text: str) -> None:
    """What a writer puts there stays text."""
    shown = markdown.render(text)
    for word in ("<img", "<script", "<b onclick", "<details o", 'href="javascript', '"onclick'):
        assert word not in shown
