"""The examples of the interface's document, word for word but for the syntax of Python 3.

`server` is the document's: a server object, here of each kind of database in turn. What stands between the
rules is the document's; what is asserted is ours.
"""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any

import pytest

from offtracfs import teamtrack
from offtracfs.teamtrack.server import Record, Server
from tests.teamtracks import Teamtracks, connected
from tests.teamtrackserver import PASSWORD, serving


@pytest.fixture
def server(teamtrack_server: Server) -> Server:
    """The document's name for it."""
    return teamtrack_server


def test_errors(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """Each of the two exceptions is caught by its own clause, and has a message."""
    for number in (-1, 17_000):
        # ---
        try:
            # do teamtrack stuff
            server.read_record(teamtrack.table["CASES"] if number > 0 else number, number)
        except teamtrack.error as message:
            print("teamtrack interface error: ", message)  # noqa: T201
        except teamtrack.tsapi_error as message:
            print("TeamTrack API error: ", message)  # noqa: T201
        # ---
    ours, theirs = capsys.readouterr().out.splitlines()
    assert ours.startswith("teamtrack interface error:  There is no table")
    assert theirs.startswith("TeamTrack API error:  There is no record")


def test_connect(teamtrack_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example connects to whatever the host name is: here the address of a database."""
    monkeypatch.setattr(socket, "gethostname", lambda: teamtrack_address)
    # ---
    server = teamtrack.connect("joe", "", socket.gethostname())
    # ---
    with server:
        assert server.read_record(server.case_table_id(), 17)["ID"] == 17


def test_connect_to_a_live_server(teamtracks: Teamtracks, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example connects to a server with the SOAP service, too; here its user has a password."""
    with connected(teamtracks.new("sqlite-issues")) as behind, serving(behind) as stand_in:
        monkeypatch.setattr(socket, "gethostname", lambda: stand_in.url)
        with teamtrack.connect("joe", PASSWORD, socket.gethostname()) as server:
            assert server.read_record(teamtrack.table["CASES"], 17)["ID"] == 17


def test_feature(server: Server, teamtrack_address: str) -> None:
    """Submitting is a feature of a server that may be written, and of no other."""
    assert teamtrack.feature.get("submit") == 1
    with teamtrack.connect("joe", "", teamtrack_address):
        assert teamtrack.feature.get("submit") is None


def test_tables_and_types(server: Server) -> None:
    """The names of tables and of types of fields stand for small integers."""
    # ---
    cases = teamtrack.table["CASES"]
    text = teamtrack.field_type["TEXT"]
    # ---
    assert cases == server.case_table_id()
    assert isinstance(text, int)


def test_read_record(server: Server) -> None:
    """A record that is read is the one that a query with its TS_ID gives."""
    # ---
    record = server.read_record(teamtrack.table["CASES"], 17)
    # ---
    assert [record] == list(server.query(teamtrack.table["CASES"], "TS_ID = 17"))


def test_title(server: Server) -> None:
    """A record is indexed by the names of its fields, which can be set."""
    # ---
    # Get the title of case 17
    record = server.read_record(teamtrack.table["CASES"], 17)
    title = record["TITLE"]
    # ---
    assert isinstance(title, str)
    assert title
    # ---
    record["TITLE"] = "Foo"
    # ---
    assert record["TITLE"] == "Foo"
    assert record.has_key("TITLE")
    assert not record.has_key("TS_TITLE")
    assert "TITLE" in record.keys()  # noqa: SIM118  # the method is what is tested


def test_add_field(server: Server) -> None:
    """The table of the cases gets a column, and records have the field."""
    # ---
    f = server.new_record(teamtrack.table["FIELDS"])
    f["TABLEID"] = teamtrack.table["CASES"]
    f["NAME"] = "Cost to fix (in euros)"
    f["DBNAME"] = "COST"
    f["FLDTYPE"] = teamtrack.field_type["NUMERIC"]
    f.add_field()
    # ---
    assert f["ID"] > 0
    assert f == server.read_record(teamtrack.table["FIELDS"], f["ID"])
    case = server.read_record(teamtrack.table["CASES"], 17)
    assert case["COST"] is None
    case["COST"] = 12.5
    case.update()
    assert list(server.query(teamtrack.table["CASES"], "TS_COST > 12")) == [case]


def test_submit_a_copy(server: Server) -> None:
    """A case is copied, and submitted on behalf of a user."""
    # ---
    # Make a copy of case 1
    old_id = 1
    new = server.new_record(teamtrack.table["CASES"])
    old = server.read_record(teamtrack.table["CASES"], old_id)
    fields_to_copy = [
        "TITLE",
        "DESCRIPTION",
        "ISSUETYPE",
        "PROJECTID",
        "STATE",
        "ACTIVEINACTIVE",
        "PRIORITY",
        "SEVERITY",
    ]
    for f in fields_to_copy:
        new[f] = old[f]
    # Submit the copy.
    new_id = new.submit("Joe")
    # ---
    copy = server.read_record(teamtrack.table["CASES"], new_id)
    assert {name: copy[name] for name in fields_to_copy} == {name: old[name] for name in fields_to_copy}
    assert copy["SUBMITTER"] == _user(server, "Joe")
    assert new_id > old_id


def test_transition_map(server: Server) -> None:  # noqa: C901  # it is the document's
    """The map of the document finds the transition that "Resolve" is for case 12, and newton carries it
    out.
    """
    # ---
    # Get all the transitions and workflows from the TeamTrack database.
    transitions = server.query(teamtrack.table["TRANSITIONS"], "")
    workflows = server.query(teamtrack.table["WORKFLOWS"], "1=1 ORDER BY TS_SEQUENCE")

    # transition_map is a map from workflow id and transition name to
    # the transition corresponding to that name in that workflow.
    transition_map: dict[int, dict[str, Record]] = {}
    for t in transitions:
        # This is really a workflow id, not a project id (see the TeamTrack
        # schema documentation).
        w = t["PROJECTID"]
        if w not in transition_map:
            transition_map[w] = {}
        if t["NAME"] not in transition_map[w]:
            transition_map[w][t["NAME"]] = t

    # Now go through all the workflows and add transitions they inherit from
    # their parent workflow. This works because we've used the TS_SEQUENCE
    # field to put the workflows in pre-order, so that all of a workflow's
    # ancestors is considered before the workflow itself is considered.
    for w in workflows:
        if w["ID"] not in transition_map:
            transition_map[w["ID"]] = {}
        if w["PARENTID"]:
            for name, transition in transition_map[w["PARENTID"]].items():
                if name not in transition_map[w["ID"]]:
                    transition_map[w["ID"]][name] = transition

    # project_workflow is a map from project id to workflow id.
    projects = server.query(teamtrack.table["PROJECTS"], "")
    project_workflow = {}
    for p in projects:
        project_workflow[p["ID"]] = p["WORKFLOWID"]
    # ---
    for p in projects:  # the map says what read_transition_list says, but for a second one of a name
        listed = {t["NAME"]: t for t in reversed(server.read_transition_list(p["ID"]))}
        assert transition_map[project_workflow[p["ID"]]] == listed
    # ---
    case = server.read_record(teamtrack.table["CASES"], 12)
    transition = transition_map[project_workflow[case["PROJECTID"]]]["Resolve"]
    case.transition("newton", transition["ID"])
    # ---
    assert case["STATE"] == transition["NEWSTATEID"]
    assert case["LASTSTATECHANGER"] == _user(server, "newton")
    assert case == server.read_record(teamtrack.table["CASES"], 12)


def test_update(server: Server) -> None:
    """The database has what was set, and the record what the database has."""
    # ---
    case = server.read_record(teamtrack.table["CASES"], 2)
    case["DESCRIPTION"] = case["DESCRIPTION"] + "\nAdditional text."
    case.update()
    # ---
    assert case["DESCRIPTION"].endswith("\nAdditional text.")
    assert case == server.read_record(teamtrack.table["CASES"], 2)


def test_clauses_of_the_real_client(server: Server) -> None:
    """The clauses that the P4DTI sent find what they found there: subselects, and an ORDER BY after 1=1."""
    workflows = "TS_PROJECTID IN (SELECT TS_ID FROM TS_WORKFLOWS WHERE TS_TABLEID = {})"
    states = server.query(teamtrack.table["STATES"], workflows.format(teamtrack.table["CASES"]))
    assert [state["NAME"] for state in states][:4] == ["New", "Assigned", "Resolved", "Closed"]
    assert "Heard" not in [state["NAME"] for state in states]
    ordered = [w["SEQUENCE"] for w in server.query(teamtrack.table["WORKFLOWS"], "1=1 ORDER BY TS_SEQUENCE")]
    assert ordered == sorted(ordered)


def _user(server: Server, login: str) -> Any:
    (found,) = server.query(teamtrack.table["USERS"], f"TS_LOGINID = '{login}'")
    return found["ID"]


TESTS = Path(__file__).parent
NAMED = re.compile(r"`(test_\w+\.py)?(?:::)?(test_\w+)?`")


def test_the_table_names_tests_that_exist() -> None:
    """docs/teamtrack.md goes through all names of the interface, and each test that it names is there."""
    text = (TESTS.parent / "docs/teamtrack.md").read_text()
    rows = [line.split("|")[1:4] for line in text.splitlines() if line.startswith("| `")]
    names = "".join(name for name, _, _ in rows)
    for cls in (Server, Record):
        assert [name for name in vars(cls) if name[0] != "_" and f".{name}(" not in names] == OWN[cls]
    assert [name for name in teamtrack.__all__ if name not in names] == []
    file, found = Path(), 0
    for _, _, shown in rows:
        for module, test in NAMED.findall(shown):
            file = TESTS / module if module else file
            found += 1
            assert not test or f"\ndef {test}(" in file.read_text(), f"{file.name} has no {test}"
    assert found > len(rows) > 20


OWN = {Server: ["close", "features", "tables"], Record: []}
"""What the document does not have; the page says so below its table."""
