"""Trac's wiki text: a tree of it, and what it looks like as HTML and as plain text.

document = parse(text, newlines=True)
html(document, resolver, prefix="comment-3-")
plain(document)
links(document)
"""

from offtracfs.wiki.blocks import parse
from offtracfs.wiki.html import Resolver, Target, html
from offtracfs.wiki.nodes import links
from offtracfs.wiki.plain import plain

__all__ = ["Resolver", "Target", "html", "links", "parse", "plain"]
