"""What was sent, and may stand in a text that is saved later: an editor stayed open."""

from __future__ import annotations

import re

from offtracfs.drafts.forms import stamp_of
from offtracfs.drafts.merging import normal
from offtracfs.drafts.rows import Draft
from offtracfs.drafts.store import DraftStore

SENT = " sent"  # at the end of the name of a state on top of which a draft is shown that was sent


def earlier(store: DraftStore, ticket: str, stamp: str) -> list[Draft]:
    """The drafts that were sent, and may stand in a text that was made from the version with a stamp.

    On top of that version they were shown before they were sent.
    """
    return [sent for sent in store.of_ticket(ticket, "sent") if stamp in _shown_on(store, sent)]


def _shown_on(store: DraftStore, sent: Draft) -> set[str]:
    own = {stamp_of(sent.base)} if sent.base is not None else set()
    shown = (key.split(" ", 1)[0] for key in store.shown_on(sent.id) if not key.endswith(SENT))
    return own | {sent.detail.get("stamp", "")} | set(shown)


def was_sent(name: str, value: str, sent: Draft) -> bool:
    """Whether a draft has set a field to that value."""
    return name in sent.fields and normal(sent.fields[name]) == normal(value)


def without(comment: str, sent: str) -> str:
    """A comment without one that was sent, where that is one of its paragraphs, or several in a row."""
    known = normal(sent)
    if not known:
        return comment
    parts = re.split(rf"(?:\A|\n\n+){re.escape(known)}(?=\n|\Z)", normal(comment), maxsplit=1)
    return "\n\n".join(filter(None, (part.strip("\n") for part in parts))) if len(parts) > 1 else comment
