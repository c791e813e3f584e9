"""Which action of a workflow is chosen, whatever the language of its hints."""

from __future__ import annotations

import pytest

from offtracfs.drafts.workflow import leads_to, planned
from offtracfs.errors import DraftRefused
from offtracfs.trackers import Action

STATUSES = ["new", "accepted", "assigned", "closed", "reopened", "in QA", "won't do"]
RESOLVE = Action(
    "resolve",
    "The resolution will be set. Next status will be 'closed'.",
    {"action_resolve_resolve_resolution": ("fixed", ["fixed", "invalid"])},
)
REASSIGN = Action(
    "reassign",
    "The owner will be changed from <span>'closed'</span>x. Next status will be 'assigned'.",
    {"action_reassign_reassign_owner": ("admin", [])},
)
LEAVE = Action("leave", "The owner will remain <span class='a'>bob</span>.")
ACCEPT = Action("accept", "Next status will be 'accepted'.")
DUPLICATE = Action("duplicate", "Next status will be 'closed'.")
ALL = [LEAVE, DUPLICATE, RESOLVE, REASSIGN, ACCEPT]
NOW = {"status": "new", "owner": "bob", "resolution": "", "summary": "x"}


@pytest.mark.parametrize(
    ("hint", "status"),
    [
        ("Next status will be 'closed'.", "closed"),
        ("Le prochain état sera « closed ».", "closed"),
        ("Der nächste Status wird „closed“.", "closed"),
        ("次のステータスは「closed」になります", "closed"),
        ("Next status will be '<b>closed</b>'.", "closed"),
        ("The owner of 'new' will be bob. Next status will be 'in QA'.", "in QA"),
        ("The owner won't change. Next status will be 'won't do'.", "won't do"),
        ("Next status will be 'elsewhere'.", ""),
        ("The owner will remain closed.", ""),
    ],
)
def test_a_hint_names_the_status(hint: str, status: str) -> None:
    """A known status in quotes, of whichever kind, the last one that is named."""
    assert leads_to(Action("a", hint), STATUSES) == status


def test_fields_alone_go_with_leave() -> None:
    """Without a change of the status nothing of the workflow happens; an owner is a field like others."""
    assert planned({"owner": "eve", "cc": "x"}, NOW, ALL, "", STATUSES) == {
        "action": "leave",
        "owner": "eve",
        "cc": "x",
    }
    assert planned({"cc": "x"}, NOW, [], "", STATUSES) == {"action": "leave", "cc": "x"}


def test_the_action_that_asks_for_what_is_to_be_set_is_chosen() -> None:
    """Of several that lead to the status; its inputs get the values."""
    found = planned({"status": "closed", "resolution": "invalid"}, NOW, ALL, "", STATUSES)
    assert found == {"action": "resolve", "action_resolve_resolve_resolution": "invalid"}
    found = planned({"status": "assigned", "owner": "eve", "cc": "x"}, NOW, ALL, "", STATUSES)
    assert found == {"action": "reassign", "action_reassign_reassign_owner": "eve", "cc": "x"}
    found = planned({"status": "assigned"}, NOW, ALL, "", STATUSES)
    assert found == {"action": "reassign", "action_reassign_reassign_owner": "bob"}
    assert planned({"status": "accepted"}, NOW, ALL, "", STATUSES) == {"action": "accept"}
    found = planned({"resolution": "fixed"}, NOW, ALL, "resolve", STATUSES)
    assert found == {"action": "resolve", "action_resolve_resolve_resolution": "fixed"}


@pytest.mark.parametrize(
    ("values", "action", "sentence"),
    [
        ({"status": "reopened"}, "", "does not lead from new to reopened now: it has leave, duplicate"),
        ({"status": "accepted", "resolution": "fixed"}, "", "to accepted with a resolution"),
        ({"resolution": "fixed"}, "", "from new to new with a resolution"),
        ({}, "explode", "no action 'explode'"),
        ({}, "resolve", "needs a resolution: fixed, invalid"),
        ({"resolution": "lost"}, "resolve", "takes no resolution 'lost'"),
        ({"resolution": "fixed"}, "accept", "takes no resolution"),
    ],
)
def test_what_the_workflow_does_not_have(values: dict[str, str], action: str, sentence: str) -> None:
    """It is refused with the actions that there are, and a ticket is never closed without a resolution."""
    with pytest.raises(DraftRefused, match=sentence):
        planned(values, NOW, ALL, action, STATUSES)
