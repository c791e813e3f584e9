"""The pages: each is a module here that holds a `Page`, a line in this table, and a template."""

from offtracfs.web.page import Page
from offtracfs.web.pages import (
    compare,
    component,
    front,
    links,
    milestone,
    person,
    query,
    report,
    reports,
    roadmap,
    search,
    ticket,
    timeline,
    versions,
)

PAGES: tuple[Page, ...] = (
    front.PAGE,
    ticket.PAGE,
    versions.PAGE,
    links.PAGE,
    timeline.PAGE,
    compare.PAGE,
    roadmap.PAGE,
    milestone.PAGE,
    component.PAGE,
    person.PAGE,
    reports.PAGE,
    report.PAGE,
    query.PAGE,
    search.PAGE,
)
"""Every page; those with a label stand in the navigation in this order."""
