"""Writing to a TeamTrack's database: ids, the workflow's rules, history; and what fails leaves all as it
was.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from offtracfs import teamtrack
from offtracfs.demo import workflows
from offtracfs.demo.workflows import ASSIGNED, CLOSED, IN_TEST, NEW, RESOLVED
from offtracfs.teamtrack.provisional import SUBMIT, UPDATE
from offtracfs.teamtrack.server import Record, Server
from tests.teamtracks import Teamtracks, connected, everything, writable

JOE, NEWTON = workflows.USERS.index("Joe") + 1, workflows.USERS.index("newton") + 1
TRACK, ELECTRONICS, CAMERA, VISITORS = 2, 5, 6, 8


@pytest.fixture
def server(teamtrack_server: Server) -> Server:
    """Each kind of database in turn, connected to write as a user called joe, who is none there."""
    return teamtrack_server


def _sql(address: str, statement: str) -> None:
    engine = create_engine(address.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def _new(server: Server, **values: Any) -> Record:
    record = server.new_record(server.case_table_id())
    for name, value in values.items():
        record[name] = value
    return record


def _submitted(server: Server, **values: Any) -> Record:
    number = _new(server, **{"PROJECTID": TRACK, **values}).submit("Joe")
    return server.read_record(server.case_table_id(), number)


def _history(server: Server, case: Record) -> list[tuple[Record, dict[str, tuple[Any, Any]]]]:
    """The actions on a case, each with what it changed."""
    names = {field["ID"]: field["DBNAME"] for field in server.query(server.tables["FIELDS"])}
    found = []
    for action in server.query(server.tables["CHANGEACTIONS"], f"TS_CASEID = {case['ID']} ORDER BY TS_ID"):
        changes = server.query(server.tables["CHANGES"], f"TS_ACTIONID = {action['ID']}")
        told = {
            names[row["FLDID"]]: (row["PRIORTEXT"] or row["PRIORINT"], row["NEWTEXT"] or row["NEWINT"])
            for row in changes
        }
        found.append((action, told))
    return found


def test_submit(server: Server) -> None:
    """A submitted record has the next ids, its workflow's first state, who submitted it, and when."""
    before = time.time()
    last = max(server.query(server.case_table_id()).ids)
    issues = [case["ISSUEID"] for case in server.query(server.case_table_id(), "TS_ISSUEID LIKE 'GR%'")]
    case = _submitted(server, TITLE="Sand in the points", COSTS=1.5)
    assert case["ID"] == last + 1
    assert case["ISSUEID"] == f"GR{len(issues) + 1:05d}"  # the sequence of the project above, as it has none
    assert (case["STATE"], case["ACTIVEINACTIVE"], case["CLOSEDATE"]) == (NEW, 0, None)
    for who, when in (
        ("SUBMITTER", "SUBMITDATE"),
        ("LASTMODIFIER", "LASTMODIFIEDDATE"),
        ("LASTSTATECHANGER", "LASTSTATECHANGEDATE"),
    ):
        assert case[who] == JOE
        assert before - 1 <= case[when] <= time.time()
    assert (case["TITLE"], case["DESCRIPTION"], case["COSTS"], case["OWNER"]) == (
        "Sand in the points",
        "",
        1.5,
        None,
    )
    ((action, changes),) = _history(server, case)
    assert (action["USERID"], action["TIME"], action["TRANSITIONID"]) == (JOE, case["SUBMITDATE"], SUBMIT)
    assert changes == {}


def test_submit_to_another_project(server: Server) -> None:
    """The project in the call goes before that of the record; each project with an own sequence counts its
    own.
    """
    new = _new(server, PROJECTID=TRACK)
    first, second = new.submit("Joe", CAMERA), new.submit("Joe", ELECTRONICS)
    cases = [server.read_record(server.case_table_id(), number) for number in (first, second)]
    assert [case["PROJECTID"] for case in cases] == [CAMERA, ELECTRONICS]
    issues = [int(case["ISSUEID"].removeprefix("EL")) for case in cases]
    assert issues[1] == issues[0] + 1
    assert new["PROJECTID"] == TRACK


def test_submit_in_a_closed_state(server: Server) -> None:
    """A copy of a closed case is closed from the beginning, and the date says so."""
    case = _submitted(server, STATE=CLOSED)
    assert (case["STATE"], case["ACTIVEINACTIVE"]) == (CLOSED, 1)
    assert case["CLOSEDATE"] == case["SUBMITDATE"]


def test_a_whole_life(server: Server) -> None:
    """Transitions move a case through its workflow, with fields that are set; each is in its history."""
    case = _submitted(server, PROJECTID=ELECTRONICS)
    case["OWNER"] = 5
    assert case.transition("newton", 2) is case
    assert (case["STATE"], case["OWNER"], case["LASTSTATECHANGER"]) == (ASSIGNED, 5, NEWTON)
    for transition, state in ((8, IN_TEST), (9, RESOLVED), (4, CLOSED)):
        case.transition("newton", transition)
        assert case["STATE"] == state
    assert case["CLOSEDATE"] == case["LASTSTATECHANGEDATE"]
    assert case["ACTIVEINACTIVE"] == 1
    case.transition("Joe", 5)
    assert (case["STATE"], case["CLOSEDATE"], case["ACTIVEINACTIVE"]) == (ASSIGNED, None, 0)
    assert case == server.read_record(case.table(), case["ID"])
    actions = _history(server, case)
    assert [action["TRANSITIONID"] for action, _ in actions] == [SUBMIT, 2, 8, 9, 4, 5]
    assert [action["USERID"] for action, _ in actions] == [JOE, *[NEWTON] * 4, JOE]
    assert actions[1][1] == {"STATE": (NEW, ASSIGNED), "OWNER": (None, 5)}
    assert set(actions[4][1]) == {"STATE", "CLOSEDATE", "ACTIVEINACTIVE"}


def test_transition_into_another_project(server: Server) -> None:
    """A case may go to another project with a transition, if its new state is one there."""
    case = _submitted(server, PROJECTID=ELECTRONICS)
    case.transition("Joe", 2, CAMERA)
    assert (case["PROJECTID"], case["STATE"]) == (CAMERA, ASSIGNED)
    with pytest.raises(teamtrack.error, match="no state with the id 6"):
        case.transition("Joe", 8, TRACK)  # "In test", which outdoor works do not have
    assert (case["PROJECTID"], case["STATE"]) == (CAMERA, ASSIGNED)


REFUSED = {
    "a transition that does not leave the state": ("Joe", 4),
    "a transition of another workflow": ("Joe", 6),
    "one that the workflow has an own one of the name for": ("Joe", 3),
    "a transition that is not there": ("Joe", 99),
    "a user who is not there": ("Nobody", 2),
    "a user's name with SQL in it": ("' OR '1'='1", 2),
    "a user's name in other letters": ("joe", 2),
    "no user": ("", 2),
    "no text": (1, 2),
    "SQL for a transition": ("Joe", "2 OR 1=1"),
    "a number that is whole only nearly": ("Joe", 2.0),
    "a project that is not there": ("Joe", 2, 99),
    "a project of another table's": ("Joe", 2, VISITORS),
    "SQL for a project": ("Joe", 2, "2; DROP TABLE TS_USERS"),
}


def test_failed_transitions(server: Server) -> None:
    """Each is an error, and leaves the record as it was: in the database, and this object with what was set
    in it.
    """
    case = _submitted(server, PROJECTID=ELECTRONICS)
    case["TITLE"] = "set, and not written"
    before, values = everything(server), dict(case)
    for why, arguments in REFUSED.items():
        call: Any = case.transition
        with pytest.raises(teamtrack.error) as refused:
            pytest.fail(f"{why}: {call(*arguments)}")
        assert "\n" not in str(refused.value)
        assert dict(case) == values
    assert everything(server) == before
    case.transition("Joe", 2)
    assert case["TITLE"] == "set, and not written"


SUBMITS: list[tuple[dict[str, Any], tuple[Any, ...]]] = [
    ({}, ("Joe",)),
    ({"PROJECTID": 99}, ("Joe",)),
    ({"PROJECTID": VISITORS}, ("Joe",)),
    ({"PROJECTID": "2 OR 1=1"}, ("Joe",)),
    ({"PROJECTID": TRACK, "STATE": IN_TEST}, ("Joe",)),
    ({"PROJECTID": TRACK, "STATE": "1"}, ("Joe",)),
    ({"PROJECTID": TRACK, "STATE": [1]}, ("Joe",)),
    ({"PROJECTID": TRACK, "TITLE": 5}, ("Joe",)),
    ({"PROJECTID": TRACK, "TITLE": "x" * 255}, ("Joe",)),
    ({"PROJECTID": TRACK, "TITLE": "a NUL \0"}, ("Joe",)),
    ({"PROJECTID": TRACK, "OWNER": 2**63}, ("Joe",)),
    ({"PROJECTID": TRACK, "OWNER": True}, ("Joe",)),
    ({"PROJECTID": TRACK, "COSTS": "1"}, ("Joe",)),
    ({"PROJECTID": TRACK, "SUBMITDATE": "now()"}, ("Joe",)),
    ({"PROJECTID": TRACK}, ("Nobody",)),
    ({"PROJECTID": TRACK}, ("'; DROP TABLE TS_USERS; --",)),
    ({"PROJECTID": TRACK}, (None,)),
    ({"PROJECTID": TRACK}, ("Joe", TRACK, 1)),
    ({"PROJECTID": TRACK}, ("Joe", TRACK, "0; DROP TABLE TS_USERS")),
    ({"PROJECTID": TRACK}, ("Joe", "2")),
]


def test_failed_submits(server: Server) -> None:
    """What cannot be submitted is an error, and no id is used for it."""
    before = everything(server)
    for values, arguments in SUBMITS:
        with pytest.raises(teamtrack.error):
            pytest.fail(f"{values} {arguments}: {_new(server, **values).submit(*arguments)}")
    assert everything(server) == before


def test_texts_are_only_texts(server: Server) -> None:
    """Whatever stands in a text comes back as it was, and does nothing."""
    for said in (
        "'; DROP TABLE TS_USERS; --",
        '"',
        "%s %(x)s :x ? \\",
        "é\U0001f600\r\n\t\x0b",
        "{table}",
        "NULL",
    ):
        case = _submitted(server, TITLE=said, DESCRIPTION=said, KEYWORDS=said)
        assert [case[name] for name in ("TITLE", "DESCRIPTION", "KEYWORDS")] == [said] * 3
        quoted = said.replace("'", "''")
        assert case in server.query(case.table(), f"TS_TITLE = '{quoted}'")


def test_only_cases_go_through_a_workflow(server: Server) -> None:
    """A user can be neither submitted nor transitioned."""
    user = server.read_record(server.tables["USERS"], 1)
    with pytest.raises(teamtrack.error, match="through a workflow"):
        user.transition("Joe", 1)
    with pytest.raises(teamtrack.error, match="PROJECTID"):
        user.submit("Joe")
    with pytest.raises(teamtrack.error, match="through a workflow"):
        user.submit("Joe", TRACK)


def test_incidents_have_a_workflow_of_their_own(server: Server) -> None:
    """An incident is submitted to a project whose workflow is for incidents."""
    incident = server.new_record(server.tables["INCIDENTS"])
    number = incident.submit("Joe", VISITORS)
    read = server.read_record(incident.table(), number)
    assert (read["STATE"], read["ISSUEID"]) == (workflows.HEARD, "VIS00001")


def test_a_failure_in_the_middle(teamtrack_address: str) -> None:
    """A submit or a transition that fails when its history is written has changed nothing at all."""
    with connected(teamtrack_address) as server:
        case = _submitted(server)
    _sql(teamtrack_address, """DELETE FROM "TS_LASTIDS" WHERE "TS_NAME" = 'TS_CHANGEACTIONS'""")
    with connected(teamtrack_address) as server:
        before = everything(server)
        again = server.read_record(case.table(), case["ID"])
        for write in (
            lambda: again.transition("Joe", 2),
            lambda: _new(server, PROJECTID=TRACK).submit("Joe"),
        ):
            with pytest.raises(teamtrack.tsapi_error, match="TS_LASTIDS does not tell the last id"):
                write()
        again["TITLE"] = "new"
        with pytest.raises(teamtrack.error, match="TS_LASTIDS does not tell"):
            again.update()
        assert everything(server) == before


def test_ids_that_are_behind(teamtrack_address: str) -> None:
    """An id that a record has already is not given to another."""
    _sql(teamtrack_address, """UPDATE "TS_LASTIDS" SET "TS_LASTID" = 3""")
    with connected(teamtrack_address) as server:
        before = everything(server)
        with pytest.raises(teamtrack.tsapi_error, match="TS_LASTIDS is behind"):
            _new(server, PROJECTID=TRACK).submit("Joe")
        assert everything(server) == before


def test_unknown_layout(teamtrack_address: str) -> None:
    """Where the columns of history or workflow are called otherwise, nothing is written, and the column is
    named.
    """
    with connected(teamtrack_address) as server:
        number = _submitted(server)["ID"]
    for table, column in (("TS_CHANGEACTIONS", "TS_USERID"), ("TS_TRANSITIONS", "TS_OLDSTATEID")):
        _sql(teamtrack_address, f'ALTER TABLE "{table}" RENAME COLUMN "{column}" TO "TS_OTHER"')
        with connected(teamtrack_address) as server:
            before = everything(server)
            with pytest.raises(teamtrack.tsapi_error, match=column):
                server.read_record(server.case_table_id(), number).transition("Joe", 2)
            assert everything(server) == before
        _sql(teamtrack_address, f'ALTER TABLE "{table}" RENAME COLUMN "TS_OTHER" TO "{column}"')


def test_update(teamtrack_address: str) -> None:
    """An update writes the fields that were set, tells who and when, and keeps what others wrote
    meanwhile.
    """
    with connected(teamtrack_address, "newton") as server:
        case = server.read_record(server.case_table_id(), 2)
        other = server.read_record(server.case_table_id(), 2)
        case["TITLE"], case["COSTS"], case["CLOSEDATE"] = "new", None, 1_600_000_000
        other["KEYWORDS"] = "theirs"
        other.update()
        before = case["LASTMODIFIEDDATE"]
        assert case.update() is case
        assert (case["TITLE"], case["KEYWORDS"], case["CLOSEDATE"]) == ("new", "theirs", 1_600_000_000)
        assert case["LASTMODIFIER"] == NEWTON
        assert case["LASTMODIFIEDDATE"] > before
        action, changes = _history(server, case)[-1]
        assert (action["TRANSITIONID"], action["USERID"]) == (UPDATE, NEWTON)
        assert changes["TITLE"][1] == "new"
        assert "COSTS" in changes
        assert "KEYWORDS" not in changes


def test_update_of_nothing(server: Server) -> None:
    """A record in which nothing was set is read again, and nothing is written."""
    case = server.read_record(server.case_table_id(), 2)
    before = everything(server)
    case.update()
    assert everything(server) == before


def test_update_of_what_is_gone(server: Server) -> None:
    """An update that fails raises `teamtrack.error`, for whatever reason."""
    user = server.read_record(server.tables["USERS"], 3)
    server.delete_record(user.table(), 3)
    user["NAME"] = "gone"
    with pytest.raises(teamtrack.error, match="no record with the id 3"):
        user.update()
    assert user["NAME"] == "gone"
    with pytest.raises(teamtrack.error, match="not in the TeamTrack yet"):
        server.new_record(user.table()).update()


def test_add_and_delete(server: Server) -> None:
    """A record that is added gets the next id, and is as the table has it; a deleted one is gone."""
    company = server.new_record(server.tables["COMPANIES"])
    company["NAME"] = "Snail & Sons"
    assert company.add() is company
    assert company == server.read_record(company.table(), company["ID"])
    second = server.new_record(company.table()).add()
    assert second["ID"] == company["ID"] + 1
    server.delete_record(company.table(), company["ID"])
    assert list(server.query(company.table())) == [second]
    with pytest.raises(teamtrack.tsapi_error, match="no record"):
        server.delete_record(company.table(), company["ID"])
    assert server.new_record(company.table()).add()["ID"] == second["ID"] + 1


FIELDS: list[dict[str, Any]] = [
    {"TABLEID": 99},
    {"TABLEID": "1"},
    {"TABLEID": None},
    {"TABLEID": workflows.USERS},
    {"DBNAME": "TITLE"},
    {"DBNAME": "title"},
    {"DBNAME": 'X" INTEGER; DROP TABLE TS_USERS; --'},
    {"DBNAME": "X INTEGER, Y"},
    {"DBNAME": ""},
    {"DBNAME": None},
    {"DBNAME": "9LIVES"},
    {"DBNAME": "X" * 28},
    {"FLDTYPE": 1},
    {"FLDTYPE": "TEXT"},
    {"FLDTYPE": [1]},
    {"NAME": "x" * 81},
]


def test_fields_that_cannot_be_added(server: Server) -> None:
    """What is no field is an error, and leaves neither a record nor a column."""
    before = everything(server)
    right = {"TABLEID": server.case_table_id(), "DBNAME": "X", "FLDTYPE": teamtrack.field_type["TEXT"]}
    for values in FIELDS:
        field = server.new_record(server.tables["FIELDS"])
        for name, value in (right | values).items():
            field[name] = value
        with pytest.raises(teamtrack.error):
            pytest.fail(f"{values}: {field.add_field()}")
    assert everything(server) == before
    assert not server.new_record(server.case_table_id()).has_key("X")


def test_fields_of_each_type(server: Server) -> None:
    """A field of each type can be added to a table that the document lists, and holds a value."""
    types = {
        "NUMERIC": 2.5,
        "TEXT": "x" * 5_000,
        "MULTIPLE_SELECTION": ",1,2,",
        "DATETIME": 1_500_000_000,
        "USER": 3,
    }
    for kind, value in types.items():
        field = server.new_record(server.tables["FIELDS"])
        field["TABLEID"], field["DBNAME"] = server.tables["COMPANIES"], f"its_{kind}"
        field["FLDTYPE"] = teamtrack.field_type[kind]
        field.add_field()
        company = server.new_record(server.tables["COMPANIES"])
        company[f"ITS_{kind}"] = value
        assert company.add()[f"ITS_{kind}"] == value
    with pytest.raises(teamtrack.error, match="by a record of the table FIELDS"):
        server.new_record(server.tables["USERS"]).add_field()


SUBMITTER = """
import sys
from offtracfs import teamtrack
with teamtrack.connect("", "", sys.argv[1]) as server:
    new = server.new_record(teamtrack.table["CASES"])
    new["PROJECTID"] = 2
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(int(sys.argv[2])):
        print(new.submit("Joe"), flush=True)
"""


def test_two_processes_never_share_an_id(teamtrack_address: str) -> None:
    """Processes that submit at once get ids, issue ids and rows of history of their own, without a gap."""
    each, command = 15, [sys.executable, "-c", SUBMITTER, writable(teamtrack_address)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen([*command, str(each)], **pipes) for _ in range(3)]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    given = [int(line) for process in processes for line in process.communicate(timeout=120)[0].split()]
    assert [process.returncode for process in processes] == [0, 0, 0]
    with teamtrack.connect("", "", teamtrack_address) as server:
        first = min(given)
        assert sorted(given) == list(range(first, first + 3 * each))
        cases = list(server.query(server.case_table_id(), f"TS_ID >= {first}"))
        issues = sorted(case["ISSUEID"] for case in cases)
        assert [int(issue[2:]) for issue in issues] == list(
            range(int(issues[0][2:]), int(issues[0][2:]) + 3 * each)
        )
        actions = server.query(server.tables["CHANGEACTIONS"], f"TS_CASEID >= {first}")
        assert sorted(action["CASEID"] for action in actions) == sorted(given)


def test_a_killed_submit_leaves_nothing(teamtracks: Teamtracks) -> None:
    """A process that is killed while it submits has submitted whole records, or nothing; the next goes on."""
    for kind in ("sqlite-issues", "postgresql-issues"):
        address = teamtracks.new(kind)
        command = [sys.executable, "-c", SUBMITTER, writable(address), "10000"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin
            assert process.stdout
            process.stdin.write("go\n")
            process.stdin.flush()
            said = [process.stdout.readline() for _ in range(4)]
            process.kill()
        with connected(address) as server:
            last = int(said[-1])
            case = _submitted(server)
            assert case["ID"] > last
            for number in range(int(said[1]), case["ID"] + 1):
                assert len(_history(server, server.read_record(case.table(), number))) == 1
