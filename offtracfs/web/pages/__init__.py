"""The pages: each is a module here that holds a `Page`, a line in this table, and a template."""

from offtracfs.web.page import Page
from offtracfs.web.pages import front, query, report, reports, search, ticket

PAGES: tuple[Page, ...] = (
    front.PAGE,
    reports.PAGE,
    report.PAGE,
    query.PAGE,
    search.PAGE,
    ticket.PAGE,
)
"""Every page; those with a label stand in the navigation in this order."""
