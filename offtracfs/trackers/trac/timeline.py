"""New attachments, read from the timeline's feed: they do not set a ticket's time of change."""

from __future__ import annotations

import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from defusedxml.ElementTree import fromstring

from offtracfs.errors import TrackerError
from offtracfs.trackers.trac.http import Http

MAX_DAYS = 90  # days that Trac's timeline looks back, unless its max_daysback says otherwise
DETAILS = {"attachment", "editedticket", "closedticket", "reopenedticket", "batchmodify"}
"""The kinds of items among the details of tickets."""

# No more digits than an id may have (names.MAX_NUMBER).
_ATTACHED = re.compile(r"/attachment/ticket/(\d{1,18})/", re.ASCII)


async def attached_since(http: Http, moment: datetime, now: datetime) -> set[int]:
    """Ids of the tickets that got an attachment at or after `moment`, at most MAX_DAYS days before `now`.

    One request. Raises TrackerError where the timeline cannot be read.
    """
    days = (now - moment).days + 2
    # Attachments are among the details of tickets; the feed ends after 50 items unless told otherwise.
    params = {
        "ticket_details": "on",
        "format": "rss",
        "max": "0",
        "daysback": str(max(1, min(days, MAX_DAYS))),
    }
    answer = await http.page("timeline", params=params)
    if answer.status != HTTPStatus.OK:
        raise TrackerError(
            f"New attachments stay unnoticed: the timeline answers {answer.status},"
            " and the user may need TIMELINE_VIEW."
        )
    return _tickets(answer.body, moment)


def _tickets(feed: bytes, moment: datetime) -> set[int]:
    try:
        items = list(fromstring(feed, forbid_dtd=True).iter("item"))
        found = {
            int(match[1])
            for item in items
            if (match := _ATTACHED.search(item.findtext("link", "")))
            and parsedate_to_datetime(item.findtext("pubDate", "")) >= moment
        }
    except (SyntaxError, ValueError, TypeError):
        raise TrackerError("New attachments stay unnoticed: the timeline's feed cannot be read.") from None
    # A Trac that has no details to show (the default before 1.4) shows everything else instead.
    if not {item.findtext("category", "attachment").strip() for item in items} <= DETAILS:
        raise TrackerError(
            "New attachments stay unnoticed until their tickets change:"
            " the Trac needs ticket_show_details = true in its [timeline] section."
        )
    return found
