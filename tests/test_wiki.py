"""Wiki text: its tree, its HTML beside that of a real Trac, its plain text."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from offtracfs.wiki import Target, html, parse, plain
from offtracfs.wiki.highlight import MAX_LENGTH
from offtracfs.wiki.nodes import (
    Code,
    CodeBlock,
    Document,
    Heading,
    Link,
    List,
    Paragraph,
    Quote,
    Styled,
    Table,
)
from tests.htmlshape import shape
from tests.tracservers import TracServer
from tests.wikitexts import BASE, Example, prepare, read, rendered, resolve

EXAMPLES = read()
IN_TICKETS = {
    "paragraphs",
    "font styles",
    "line breaks",
    "bullets",
    "definition lists",
    "quotes by indentation",
    "citations",
    "tables",
    "a table within text",
    "code blocks",
    "highlighted code",
    "other ends of lines",
}
"""Examples in which lines matter, and no link depends on where the text stands."""


@pytest.mark.parametrize("example", EXAMPLES, ids=[example.name for example in EXAMPLES])
def test_the_html_has_the_structure_that_trac_gives(example: Example) -> None:
    """A browser makes the same of our HTML and of Trac's."""
    assert shape(html(parse(example.text), resolve)) == shape(example.html)


def test_the_real_trac_gives_what_is_stored(modern_trac: TracServer) -> None:
    """The HTML in the corpus is what a Trac 1.6 says today."""
    site = modern_trac.new()
    prepare(site)
    found = rendered(site, [example.text for example in EXAMPLES])
    assert dict(zip([each.name for each in EXAMPLES], found, strict=True)) == {
        each.name: each.html.strip() for each in EXAMPLES
    }


def test_lines_end_in_tickets_where_they_end_in_trac(modern_trac: TracServer) -> None:
    """With `newlines`, HTML has the structure of the description on a real Trac's page of a ticket."""
    site = modern_trac.new()
    prepare(site)
    site.client.get(f"{site.url}/login", follow_redirects=True).raise_for_status()
    when = datetime(2020, 1, 3, tzinfo=UTC)
    for example in EXAMPLES:
        if example.name in IN_TICKETS:
            ticket = site.create(example.name, when, description=example.text)
            page = site.client.get(f"{site.url}/ticket/{ticket}").raise_for_status().text
            theirs = shape(page, ".description .searchable")
            ours = shape(html(parse(example.text, newlines=True), resolve))
            assert ours == theirs, example.name


def links(text: str) -> list[tuple[str, str, str]]:
    """Realm, target and label of the links in the first paragraph of a text."""
    (paragraph,) = parse(text).children
    assert isinstance(paragraph, Paragraph)
    return [(node.realm, node.target, node.label) for node in paragraph.children if isinstance(node, Link)]


def test_the_tree_says_what_stands_where() -> None:
    """A text becomes blocks, and within them running text, in their order."""
    document = parse("= Head =\nSee '''#1''' and `x`.\n * one\n   * two\n> cited\n|| a ||")
    heading, paragraph, items, quote, table = document.children
    assert isinstance(heading, Heading)
    assert document.headings == [heading]
    assert (heading.level, heading.name, heading.children) == (1, "Head", ["Head "])
    assert paragraph == Paragraph(
        ["See ", Styled("strong", [Link("ticket", "1", "#1", "#1")]), " and ", Code("x"), "."]
    )
    assert isinstance(items, List)
    assert items.children[0].children[:1] == ["one"]
    assert isinstance(items.children[0].children[1], List)
    assert quote == Quote(citation=True, children=[Paragraph(["cited"])])
    assert isinstance(table, Table)
    assert [cell.children for row in table.children for cell in row.children] == [[" a "]]


def test_links_name_their_realm_and_target() -> None:
    """A link says what it leads to, whatever its form; a link to another project is one of "intertrac"."""
    assert links("#1 ticket:2#comment:3 [milestone:x the next] {4} r5 [6/trunk] [7:8] #9-12") == [
        ("ticket", "1", "#1"),
        ("ticket", "2#comment:3", "ticket:2#comment:3"),
        ("milestone", "x", "the next"),
        ("report", "4", "{4}"),
        ("changeset", "5", "r5"),
        ("changeset", "6/trunk", "[6/trunk]"),
        ("log", "7:8", "[7:8]"),
        ("ticket", "9-12", "#9-12"),
    ]
    assert links("comment:3:ticket:42 wiki:Page WikiPage [[Page|label]] #T42 [/x here] a@example.org") == [
        ("comment", "3:ticket:42", "comment:3:ticket:42"),
        ("wiki", "Page", "wiki:Page"),
        ("wiki", "WikiPage", "WikiPage"),
        ("wiki", "Page", "label"),
        ("intertrac", "T:ticket:42", "#T42"),
        ("", "/x", "here"),
        ("mailto", "a@example.org", "a@example.org"),
    ]


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("[[Image(http://example.org/a/b.png, 50%)]]", ("http", "//example.org/a/b.png", "b.png")),
        ("[[Image(screen.png, alt=the screen)]]", ("attachment", "screen.png", "the screen")),
        ("[[Image(ticket:3:a b.png)]]", ("attachment", "a b.png:ticket:3", "a b.png")),
        ("[[Image(#3:x.png)]]", ("attachment", "x.png:ticket:3", "x.png")),
        ("[[Image(Page:x.png)]]", ("attachment", "x.png:wiki:Page", "x.png")),
        ("[[Image(source:/trunk/x.png)]]", ("source", "/trunk/x.png", "x.png")),
        ("[[Image(/htdocs/x.png)]]", ("", "/htdocs/x.png", "x.png")),
    ],
)
def test_an_image_is_a_link(text: str, link: tuple[str, str, str]) -> None:
    """Nothing is loaded from elsewhere: where Trac shows an image, we link to it."""
    assert links(text) == [link]
    assert "<img" not in html(parse(text), resolve)


def test_without_a_resolver_links_within_the_tracker_are_text() -> None:
    """Only addresses on the web are links then; a link that may be none is shown as it was written."""
    found = html(parse("#1 [ticket:2 the bug] WikiPage [foo:bar baz] [..] http://example.org"))
    assert found == (
        '<p>\n#1 the bug WikiPage [foo:bar baz] [..] <a class="ext-link" href="http://example.org">'
        "http://example.org</a>\n</p>\n"
    )


def test_what_there_is_not_is_no_link_but_shows_it() -> None:
    """A target without an address keeps its class, as Trac's missing tickets do; None makes text."""
    found = html(parse("#1 #2"), lambda link: Target("", "no such ticket", "missing ticket"))
    assert found.startswith('<p>\n<a class="missing ticket" title="no such ticket">#1</a> ')
    assert "<a" not in html(parse("#1 #2"), lambda link: None)


def test_a_prefix_keeps_the_anchors_of_two_texts_apart() -> None:
    """Names of anchors and links to them get the prefix that the page gives."""
    found = html(parse("[[PageOutline]]\n= One =\n[=#two] [#two there]"), prefix="comment-3-")
    assert 'id="comment-3-One"' in found
    assert 'href="#comment-3-One"' in found
    assert '<span class="wikianchor" id="comment-3-two"></span>' in found
    assert '<a href="#comment-3-two">there</a>' in found


def test_classes_of_authors_are_not_those_of_the_page() -> None:
    """A class that an author gave has "wiki-" before it; styles and other attributes are left out."""
    text = '{{{#!div class="important note" style="position: fixed" onclick=alert(1) id=x\ntext\n}}}'
    assert html(parse(text)) == '<div class="wiki-important wiki-note"><p>\ntext\n</p>\n</div>\n'


@pytest.mark.parametrize("processor", ["html", "Unknown", "CommitTicketReference repository=x", "htm", "é"])
def test_an_unknown_processor_shows_its_text(processor: str) -> None:
    """Where Trac runs HTML, or shows an error and not the text, the text is shown."""
    (block,) = parse(f"{{{{{{#!{processor}\n<b onclick='x'>bold</b>\n}}}}}}").children
    assert isinstance(block, CodeBlock)
    assert block.text == "<b onclick='x'>bold</b>\n"
    assert "<b" not in html(parse(f"{{{{{{#!{processor}\n<b onclick='x'>bold</b>\n}}}}}}"))


def test_long_code_is_shown_and_not_highlighted() -> None:
    """Some of Pygments' lexers are slow, so only blocks up to a length are highlighted."""
    line = "x = 1\n"
    most = MAX_LENGTH // len(line)
    assert "<span" in html(parse(f"{{{{{{#!python\n{line * most}}}}}}}"))
    longer = html(parse(f"{{{{{{#!python\n{line * (most + 1)}}}}}}}"))
    assert "<span" not in longer
    assert longer.count("x = 1") == most + 1


def test_only_the_first_outline_is_shown() -> None:
    """A text full of headings and outlines does not become as large as its square."""
    found = html(parse("[[PageOutline]]\n= a =\n" * 50))
    assert found.count("<li>") == found.count("<h1") == 50


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("= Head =\none\ntwo\n\nthree", "Head\n\none\ntwo\n\nthree\n"),
        ("'''bold''' ''it'' `code` H,,2,,O !#1[[BR]]next", "bold it code H2O #1\nnext\n"),
        ("line[[BR]]\nnext", "line\nnext\n"),
        (" * one\n   * inner\n * two\n   more", "* one\n  * inner\n* two\n  more\n"),
        (
            " 3. three\n 4. four\n\n a. letter\n\n i. roman\n i. two",
            "3. three\n4. four\n\na. letter\n\ni. roman\nii. two\n",
        ),
        ("> cited\n>> twice", "> cited\n>\n> > twice\n"),
        ("  quoted", "  quoted\n"),
        ("||= a =|| b ||\n|| c || d ||", "a | b\nc | d\n"),
        (" term:: what\n  it means", "term\n    what\n    it means\n"),
        ("{{{#!python\nx = 1\n  y\n}}}", "    x = 1\n      y\n"),
        ("#1 [ticket:2 the bug] [ticket:2] WikiPage", "#1 the bug (ticket:2) 2 WikiPage\n"),
        (
            "[http://example.org site] [http://example.org] <http://x.org>",
            "site <http://example.org> http://example.org <http://x.org>\n",
        ),
        ("[foo:bar baz] [wiki:Page this page]", "[foo:bar baz] this page\n"),
        ("[[PageOutline]]\n----\n{{{#!comment\nx\n}}}\nend", "----\n\nend\n"),
    ],
)
def test_plain_text_has_no_markup(text: str, expected: str) -> None:
    """Plain text says what the text says, laid out for a terminal."""
    assert plain(parse(text)) == expected


@pytest.mark.parametrize("text", ["'''a\nb'''", "a[[BR]]\nb", " a:: b\nc", "text\n{{{\ncode\n}}}\nmore"])
def test_newlines_change_no_word(text: str) -> None:
    """Whether lines flow together or not, the text is the same."""
    flowing, broken = parse(text), parse(text, newlines=True)
    assert words(flowing) == words(broken)
    assert plain(flowing).split() == plain(broken).split()


def words(document: Document) -> list[str]:
    """The words that HTML shows."""
    return " ".join(line[1:] for line in shape(html(document)) if line.startswith('"')).split()


def test_a_link_to_the_trac_keeps_its_base() -> None:
    """What a resolver answers is the address, quoted as HTML demands."""
    address = f'{BASE}/ticket/1?a="b"&c=<d>'
    found = html(parse("#1"), lambda link: Target(address))
    assert f'href="{BASE}/ticket/1?a=&quot;b&quot;&amp;c=&lt;d&gt;"' in found
    assert shape(found)[1] == f"<a href={address}"


def test_threads_may_begin_to_highlight_together() -> None:
    """The first blocks of code may be highlighted in several threads: none finds half of Pygments."""
    code = """if True:
        import sys
        from concurrent.futures import ThreadPoolExecutor
        from threading import Barrier
        from offtracfs.wiki import highlight
        sys.setswitchinterval(1e-6)
        begin = Barrier(8)
        def first(_number):
            begin.wait()
            highlight._formatter()
        for _round in range(30):
            highlight._formatter.cache_clear()
            for name in [name for name in sys.modules if name.startswith("pygments")]:
                del sys.modules[name]
            with ThreadPoolExecutor(8) as threads:
                list(threads.map(first, range(8)))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
