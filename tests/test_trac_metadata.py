"""Fields, reports and columns of every Trac: the stand-in and real ones."""

from __future__ import annotations

from tests.tracclient import DAY, SPRING, Trac, connected, in_both_protocols, outdated, stored


@in_both_protocols
async def test_definitions(trac: Trac) -> None:
    """fields.json says what fields there are, with labels and the order of options."""
    async with connected(trac) as tracker:
        metadata = await tracker.metadata()
    fields = {item["name"]: item for item in metadata.records["fields.json"]}
    assert fields["priority"]["options"] == ["blocker", "critical", "major", "minor", "trivial"]
    assert fields["changetime"]["label"] == "Modified"
    assert metadata.problems == []


@in_both_protocols
async def test_values(trac: Trac) -> None:
    """Every value of a field is a record: an object for a component, its place as text for an enum."""
    trac.rename_component("component2", "web/app é")
    async with connected(trac) as tracker:
        metadata = await tracker.metadata()
    records = metadata.records
    component = records["field/component/web%2Fapp+%C3%A9.json"]
    assert component.keys() == {"name", "owner", "description"}
    assert component["name"] == "web/app é"
    assert "field/component/component2.json" not in records
    assert records["field/priority/critical.json"] == "2"
    assert records["field/status/new.json"] == "0"
    kinds = {"component", "priority", "resolution", "severity", "status", "type"}
    assert {f"field/{kind}" for kind in kinds} <= set(metadata.complete)


SQL = "\n  SELECT id AS ticket, summary\n  FROM ticket t -- é <b>&amp;</b>\n  WHERE status <> 'closed'\n"


async def test_report(trac: Trac) -> None:
    """A report's SQL has title and description as comments before it, as Trac itself exports it."""
    trac.set_report(9, "Mine & “yours”", SQL, "What is open.\n\nAll of it.\n")
    async with connected(trac) as tracker:
        metadata = await tracker.metadata()
    assert metadata.records["report/9.json"] == {
        "title": "Mine & “yours”",
        "description": "What is open.\n\nAll of it.\n",
        "sql": "-- ## 9: Mine & “yours” ## --\n\n-- What is open.\n-- \n-- All of it.\n\n" + SQL,
    }
    assert "report" in metadata.complete


async def test_report_without_description(trac: Trac) -> None:
    """A report without a description has none in its record."""
    trac.set_report(9, "Short", "SELECT 1")
    async with connected(trac) as tracker:
        record = (await tracker.metadata()).records["report/9.json"]
    assert record == {"title": "Short", "sql": "-- ## 9: Short ## --\n\nSELECT 1"}


async def test_saved_query(trac: Trac) -> None:
    """A report that is a saved query is kept as a query."""
    trac.set_report(9, "Open", "query:?status=new&status=reopened&order=id")
    async with connected(trac) as tracker:
        metadata = await tracker.metadata()
    assert metadata.records["report/9.json"] == {
        "title": "Open",
        "sql": "query:?status=new&status=reopened&order=id",
    }


@in_both_protocols
async def test_outdated(trac: Trac) -> None:
    """Of every ticket, closed ones too, a record is up to date that says what Trac says, and no other."""
    trac.create('a "quoted", summary\nin two lines é', SPRING, component="component1", cc="a,b", keywords="k")
    closed = trac.create("closed", SPRING, component="component2", reporter="")
    trac.change(closed, SPRING + DAY, status="closed", resolution="fixed")
    async with connected(trac) as tracker:
        known = await stored(tracker)
        assert known.keys() == {1, 2}
        before = tracker.requests
        assert await outdated(tracker, known) == []
        assert tracker.requests <= before + 3  # the first signs in
        names = (
            "summary",
            "component",
            "status",
            "resolution",
            "keywords",
            "priority",
            "cc",
            "owner",
            "reporter",
        )
        for name in names:
            assert await outdated(tracker, known, **{name: "another"}) == [1, 2]
        assert await outdated(tracker, {2: known[2], 9: known[1]}, summary="another") == [2]
        late = {
            number: [n, created, "2011-04-09T21:16:08", props]
            for number, (n, created, _, props) in known.items()
        }
        assert await outdated(tracker, late) == [1, 2]


async def test_silent_change(trac: Trac) -> None:
    """A renamed component, of which no change log tells, shows in the columns."""
    number = trac.create("x", SPRING, component="component1")
    trac.create("y", SPRING, component="component2")
    async with connected(trac) as tracker:
        known = await stored(tracker)
        trac.rename_component("component1", "engine")
        assert await tracker.changed_since(SPRING + DAY) == []
        assert await outdated(tracker, known) == [number]
