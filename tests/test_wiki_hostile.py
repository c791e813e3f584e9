"""Wiki text that was written to do harm, or by nobody at all."""

from __future__ import annotations

import time
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from offtracfs.wiki import Target, html, parse, plain
from offtracfs.wiki.html import safe
from offtracfs.wiki.nesting import MAX_DEPTH
from offtracfs.wiki.nodes import Link
from tests.wikitexts import read

SCRIPTS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "JaVaScRiPt://%0aalert(1)",
    "java\tscript:alert(1)",
    "\x01javascript:alert(1)",
    "vbscript:x",
    "data:text/html,<script>alert(1)</script>",
    "file:///etc/passwd",
    "&#106;avascript:alert(1)",
    "http://x/\"onclick='alert(1)'",
    "</pre></code></td><script>alert(1)</script>",
    "]]>--><!--",
    "\0<\ud800script>",
]
PLACES = [
    "%s",
    "'''%s'''",
    "`%s`",
    "{{{%s}}}",
    "[%s label]",
    "[http://example.org %s]",
    "[ticket:1 %s]",
    "[wiki:%s]",
    "[wiki:%s %s]",
    '["%s" %s]',
    "[[%s]]",
    "[[%s|%s]]",
    "[[BR(%s)]]",
    "[[Image(%s)]]",
    "[[Image(x.png, alt=%s, link=%s)]]",
    "[[PageOutline(1-2,%s)]]\n= %s =",
    "[[span(%s, class=%s)]]",
    "<wiki:%s>",
    "http://example.org/%s",
    "mailto:%s",
    "[mailto:%s x]",
    "attachment:%s",
    "query:%s",
    "[/%s x]",
    "[#%s x]",
    "[=#%s %s]",
    "= %s = #%s",
    " * %s",
    " %s:: %s",
    "> %s",
    "||= %s =|| %s ||",
    "|- class=%s onclick=%s style=%s\n|| x ||",
    "{{{#!%s\n%s\n}}}",
    "{{{#!html\n%s\n}}}",
    "{{{#!htmlcomment\n--> %s\n}}}",
    "{{{#!js\n%s\n}}}",
    '{{{#!div class="%s" style="%s" onclick="%s"\n%s\n}}}',
    "{{{#!td colspan=%s class='%s'\n%s\n}}}",
]
TEXT = {
    "a",
    "br",
    "code",
    "del",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "p",
    "pre",
    "span",
    "strong",
}
BLOCKS = {
    "blockquote",
    "dd",
    "div",
    "dl",
    "dt",
    "li",
    "ol",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "th",
    "tr",
    "ul",
}
ATTRIBUTES = {"class", "colspan", "dir", "href", "id", "rowspan", "start", "title"}


def echo(link: Link) -> Target:
    """A resolver that believes everything that a text says."""
    return Target(link.target, link.label, link.realm)


def assert_harmless(found: str) -> None:
    """Only elements that show something, attributes that do nothing, and links that lead to the web."""
    body = LexborHTMLParser(f"<body>{found}").body
    assert body
    for node in body.css("body *"):
        assert node.tag in TEXT | BLOCKS, node.html
        assert node.attributes.keys() <= ATTRIBUTES, node.html
        assert safe(node.attributes.get("href") or ""), node.html
    found.encode()


@pytest.mark.parametrize("place", PLACES)
def test_nothing_in_a_text_becomes_script(place: str) -> None:
    """Whatever a text says, wherever: it is shown, and runs nowhere, even if the resolver hands it back."""
    for script in SCRIPTS:
        document = parse(place.replace("%s", script))
        assert_harmless(html(document, echo))
        assert_harmless(html(document, echo, prefix='"><script>'))
        assert_harmless(html(document))
        plain(document).encode()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://x", True),
        ("HTTPS://x", True),
        ("mailto:a@b", True),
        ("/ticket/1", True),
        ("#a:b", True),
        ("?a=b:c", True),
        ("wiki/a:b", True),
        ("", True),
        ("javascript:alert(1)", False),
        (" javascript:alert(1)", False),
        ("java\nscript:alert(1)", False),
        ("data:x", False),
        ("file:///x", False),
    ],
)
def test_only_harmless_addresses_are_links(address: str, *, expected: bool) -> None:
    """What a resolver answers is looked at, too: an address with any other scheme is text."""
    found = html(parse("#1"), lambda link: Target(address))
    assert ("<a" in found) == expected
    assert safe(address) == expected


_MARKS = (
    "' '' ''' ''''' ** // __ ~~ ,, ^ ` ! \\\\ [[BR]] & < > || ||= =|| ||\\\n \n|-\n \n"
    " \n\n \n· \n·· \n···· \n\t"
    " \n·*· \n···*· \n·1.· \n···i.· \n-· \n·term::· \n>· \n>>· \n··>· \n=· \n==· ·=\n \n----\n"
    " · é é·é 日本 ( ) . - 1 a {{{ }}} \n{{{\n \n}}}\n \r\n \x0b \x85"
)
_LINKS = (
    '#1 #1,2- {1} [1] [1:2] r1 r1:2 ticket:1 [ticket:1· [ ] [[ ]] | [/ WikiPage wiki: [" "'
    " http://x.org/ a@b.org <http:// [=#a· #a [[Image( [[=#x| [[PageOutline]] \n{{{#!python\n"
    " \n{{{#!div·class=x\n \n{{{#!td\n"
    " \n{{{#!table\n \n{{{#!tr\n {{{#!comment\n |-·class=x·"
    " javascript:alert(1) \0 \ud800 \u2028 \u200b Äö / : ::"
)
MARKS = [each.replace("·", " ") for each in _MARKS.split(" ")]
LINKS = [each.replace("·", " ") for each in _LINKS.split(" ")]
texts = st.lists(st.sampled_from(MARKS + LINKS) | st.text(max_size=8), max_size=40).map("".join)


@given(texts, st.booleans())
def test_any_text_is_shown_and_harmless(text: str, newlines: bool) -> None:
    """There is no text that cannot be rendered, and none whose HTML does anything."""
    document = parse(text, newlines=newlines)
    assert_harmless(html(document, echo))
    assert_harmless(html(document))
    assert not any(line != line.rstrip() for line in plain(document).split("\n"))


@given(st.lists(st.sampled_from(MARKS), max_size=40).map("".join), st.booleans())
def test_no_word_of_a_text_is_lost(text: str, newlines: bool) -> None:
    """Markup may be read otherwise than it was meant, but all words are there."""
    document = parse(text, newlines=newlines)
    assert LexborHTMLParser(html(document)).text().count("é") == text.count("é")
    assert plain(document).count("é") == text.count("é")


def depth(node: Any) -> int:
    """How many nodes there are within each other."""
    return 1 + max(map(depth, getattr(node, "children", [])), default=0)


STAIRS = [
    lambda step: " " * step + "* é",
    lambda step: " " * (step % 90) + "1. é",
    lambda step: " " * step + "é",
    lambda step: ">" * step + " é",
    lambda step: "> " * step + "é",
    lambda step: " " * step + "> é",
    lambda step: "{{{\n#!div\né",
    lambda step: "{{{\n#!table\n{{{\n#!tr\n{{{\n#!td\né",
]


@pytest.mark.parametrize("number", range(len(STAIRS)))
def test_no_text_needs_a_deep_stack(number: int) -> None:
    """Blocks within blocks end at MAX_DEPTH; what is within them is shown there."""
    text = "\n".join(map(STAIRS[number], range(400)))
    document = parse(text)
    assert depth(document) <= 3 * MAX_DEPTH + 5
    assert html(document).count("é") == plain(document).count("é") == text.count("é")


def atoms() -> list[str]:
    """What to repeat: each mark, each with its half, and what has no end."""
    ends = [
        "a",
        "Aa",
        "AaBb/",
        "./",
        "a.",
        "a@",
        "a@1.",
        "a:",
        'a:"',
        "a:b|",
        "[a:",
        "[a:b ",
        "[=#a ",
        "|--",
        "|- a=",
    ]
    blocks = [
        "a\n",
        " \n",
        " a:: b\n",
        "{{{\n#!div\n",
        "{{{\n\n}}}\n",
        "{{{#!js\nvar a;\n}}}\n",
        "||a||\n",
        "= a\n",
    ]
    return [
        *MARKS,
        *LINKS,
        *ends,
        *blocks,
        "!||",
        "a:!||",
        "\t",
        "\\",
        "\u2022 a\n",
        "[[PageOutline]]\n= a\n",
    ]


def seconds(text: str) -> float:
    """The processor's time for a text, the smaller of two."""
    found = []
    for _ in range(2):
        start = time.thread_time()
        document = parse(text, newlines=True)
        html(document, echo)
        plain(document)
        found.append(time.thread_time() - start)
    return min(found)


SHORT, TIMES = 3_000, 8


@pytest.mark.parametrize("before", ["", "|| "])
def test_time_grows_with_the_length_of_a_text_and_not_with_its_square(before: str) -> None:
    """Eight times a text takes about eight times as long, where its square would take sixty-four times."""
    for atom in atoms():
        short = (before + atom * SHORT)[:SHORT]
        long = (before + atom * SHORT * TIMES)[: SHORT * TIMES]
        assert seconds(long) < 3 * TIMES * max(seconds(short), 0.002), (before, atom)


@pytest.mark.parametrize("language", ["c", "java", "make", "html", "unknown"])
def test_code_that_a_lexer_is_slow_with_is_shown_all_the_same(language: str) -> None:
    """Highlighting ends where it takes too long; the code is shown."""
    text = f"{{{{{{#!{language}\n" + "a\n" * 1_400 + "}}}\n"
    found = html(parse(text * 20))
    assert LexborHTMLParser(found).text().count("a") == 20 * 1_400


def test_the_corpus_is_harmless_in_every_half() -> None:
    """Each text of the corpus, cut anywhere, is still shown."""
    for example in read():
        for end in count(1, 7):
            assert_harmless(html(parse(example.text[:end]), echo))
            if end > len(example.text):
                break
