"""How links are written: the parts that several forms of them share."""

from __future__ import annotations

import re

from offtracfs.wiki.nodes import Link

SCHEME = r"[a-zA-Z][-a-zA-Z0-9+._]{0,63}"
QUOTED = r"'[^']+'|\"[^\"]+\""
LABEL = rf"{QUOTED}|[^\]]*"
RELATIVE = r"[/?#][^\s\]]*|\.\.?(?:[/?#][^\s\]]*)?"

_UPWARDS = re.compile(r"(?:\.{0,2}/)+(?=.)")
_RELATIVE = re.compile(RELATIVE)
_TYPED = re.compile(rf"(?:(?P<realm>{SCHEME}):)?(?P<target>.*)", re.DOTALL)


def unquoted(text: str) -> str:
    """`text` without the quotation marks around it."""
    return text[1:-1] if len(text) > 1 and text[0] in "'\"" and text[0] == text[-1] else text


def label_of(page: str) -> str:
    """What is shown for a page's name: without query and fragment, and without ``../`` in front."""
    path = page.partition("#")[0].partition("?")[0]
    return _UPWARDS.sub("", path) or path or page


def bracketed(relative: str | None, realm: str, target: str, label: str | None, source: str) -> Link:
    """The link that stands in brackets: relative, or with a realm and a target; with a label or without."""
    label = unquoted(label or "")
    if relative:
        return Link("", relative, label or label_of(relative), source)
    target = unquoted(target)
    if not label and target.startswith("//"):
        label = f"{realm}:{target}"
    elif not label:
        label = (label_of(target) if realm == "wiki" else target.lstrip("/")) or realm
    return Link(realm, target, label, source)


def creole(content: str, source: str) -> Link:
    """The link in ``[[target|label]]``."""
    body, _, label = map(str.strip, content.partition("|"))
    if _RELATIVE.fullmatch(body):
        return bracketed(body, "", "", label, source)
    match = _TYPED.fullmatch(body)
    assert match
    return bracketed(None, match["realm"] or "wiki", match["target"], label, source)


def interproject(project: str, target: str, source: str) -> Link | str:
    """The link to something in another project, ``#T42``; text where the prefix is only a space."""
    return Link("intertrac", f"{project.strip()}:{target}", source, source) if project.strip() else source
