"""What the demo's tracker is about: a garden railway, its troubles, and what is said of them. Data only."""

from __future__ import annotations

from typing import NamedTuple

PLACES = (
    "Rhubarb Junction",
    "Pond Viaduct",
    "Compost Halt",
    "Birdbath Curve",
    "Shed Terminus",
    "Patio Crossing",
    "Lavender Cutting",
    "Greenhouse Tunnel",
    "Water Butt Siding",
    "Rockery Summit",
)
ENGINES = ("Wren", "Bumblebee", "Old Kettle", "Snail No. 2", "the railbus", "Puffin", "the works train")
# Two releases a year, ten years long.
PLANTS = (
    *("Aconite", "Bluebell", "Crocus", "Daffodil", "Edelweiss", "Foxglove", "Gentian", "Heather", "Iris"),
    *("Jasmine", "Knapweed", "Lavender", "Marigold", "Nettle", "Orchid", "Primrose", "Quince", "Rosemary"),
    *("Snowdrop", "Thyme"),
)
READER = "signalbox"  # who looks at the demo
REPORTERS = ("driver", "gardener", "guest", "signalbox", "qa")
WEATHER = ("", "dry", "wet", "hot", "frost", "wind")
PRIORITIES = ("blocker", "critical", "major", "minor", "trivial")
TYPES = ("defect", "enhancement", "task")
STATUSES = ("accepted", "assigned", "closed", "new", "reopened")
RESOLUTIONS = ("fixed", "invalid", "wontfix", "duplicate", "worksforme")


class Component(NamedTuple):
    """A part of the railway; `since` counts the years that the tracker had been there by then."""

    since: int
    owner: str
    description: str
    cures: tuple[str, ...]  # what is said when a ticket is closed as fixed


COMPONENTS = {
    "track": Component(
        0,
        "platelayer",
        "Rails, sleepers, ballast, and everything that grows between them.",
        (
            "Relaid four lengths with proper expansion gaps. Twenty trains over it, none on the ground.",
            "Packed the ballast and checked the gauge: 45.0 mm from end to end.",
            "Cut back the roots, soldered the joint, swept the lot.",
        ),
    ),
    "points": Component(
        0,
        "platelayer",
        "Points and crossings, their motors and their rods.",
        (
            "New spring and a drop of graphite. It throws in half a second now.",
            "Motor moved under a roof tile, rod shortened by 3 mm.",
            "The blade was bent. Filed, tested a hundred times by hand and once by a hedgehog.",
        ),
    ),
    "signals": Component(
        0,
        "signalbox",
        "Signals, block sections and the wires that think they are plant ties.",
        (
            "Wired as drawn this time. Red is red again.",
            "Replaced the connector by a waterproof one and filled the old hole.",
            "The block is now held until the last axle has left it. Log attached to the wall of the box.",
        ),
    ),
    "engines": Component(
        0,
        "fitter",
        "Everything that pulls, including the works train on a good day.",
        (
            "Cleaned the pick-ups and the wheels. It starts at the first notch again.",
            "New traction tyres. Climbs Rockery Summit with five wagons.",
            "Coupling hook bent back to the drawing; a gauge for it now hangs in the shed.",
        ),
    ),
    "controller": Component(
        0,
        "maintainer",
        "The software that runs the trains, and what it runs on.",
        (
            "Fixed: both messages are now taken in order. There is a test that failed before.",
            "The buffer was one byte short. It is now as long as the message.",
            "Rewritten without the timer. Ran for nine days in the shed without a crash.",
        ),
    ),
    "manual": Component(
        0,
        "docs",
        "What visitors, drivers and cats should know.",
        (
            "Page rewritten, and read aloud to somebody who had never seen a train.",
            "Added the drawing and the sentence that was missing.",
            "Corrected. The old page said the opposite.",
        ),
    ),
    "timetable": Component(
        2,
        "signalbox",
        "Who runs when, and who waits for whom.",
        (
            "New timetable pinned up; the connection is held for two minutes.",
            "Summer time is now taken from the clock, not from the sundial.",
            "Both trains get their own path. Ran it on paper first.",
        ),
    ),
    "track camera": Component(
        5,
        "maintainer",
        "The camera at the summit, and the page that shows what it sees.",
        (
            "The exposure now ignores the white cat.",
            "Pictures are deleted after a week. The card is at 12 %.",
            "Housing turned, lens wiped, spider moved to the hedge.",
        ),
    ),
}


QUESTIONS = (
    "Does it happen to other trains as well, or only to {engine}?",
    "I could not see it today. What was the weather like?",
    "Since when? It ran without trouble on the last running day.",
    "Can you add what the controller's log says around that time?",
)
ANSWERS = (
    "Seen again this morning at {place}, same as before.",
    "Yes, with every train. {engine} is only the one that minds most.",
    "It took a week to come back, but here it is.",
    "Two visitors have told me the same without being asked.",
    "I have measured it: three times out of ten.",
)
PLANS = (
    "I will look at it on Saturday, if it is dry.",
    "Mine. The parts are ordered.",
    "Taking this one, it is in my way too.",
)
OTHER_ENDS = {
    "invalid": "That is how it is meant to be; see the rule book, page 4.",
    "wontfix": "The pond was here first.",
    "duplicate": "The same as #{other}.",
    "worksforme": "Forty rounds past {place} without a sign of it. Please reopen with a picture.",
}
REOPENED = (
    "It is back, at {place}, with {engine}. The cure lasted one season.",
    "Better, but not gone: one time in ten still.",
)
PICTURES = (
    ("derailed.jpg", "{engine}, a moment afterwards"),
    ("gauge.png", "what I measured at {place}"),
    ("controller.log", "the hour before"),
)

# Title, description, SQL; as Trac gives them.
REPORTS = {
    1: (
        "Open tickets",
        "Everything that waits for somebody, the most urgent first.",
        "SELECT p.value AS __color__, id AS ticket, summary, component, milestone, t.type AS type,\n"
        "  owner, status, time AS created\n"
        "FROM ticket t\n"
        "LEFT JOIN enum p ON p.name = t.priority AND p.type = 'priority'\n"
        "WHERE status <> 'closed'\n"
        "ORDER BY CAST(p.value AS integer), time, id\n",
    ),
    2: (
        "Open tickets by milestone",
        "What stands between us and the next running day.",
        "SELECT milestone AS __group__, id AS ticket, summary, component, owner, priority\n"
        "FROM ticket\n"
        "WHERE status <> 'closed'\n"
        "ORDER BY milestone, component, id\n",
    ),
    3: (
        "My tickets",
        "Whatever $USER has taken on.",
        "SELECT id AS ticket, summary, component, status, milestone, changetime AS modified\n"
        "FROM ticket\n"
        "WHERE owner = $USER AND status <> 'closed'\n"
        "ORDER BY changetime DESC\n",
    ),
    4: (
        "Animals",
        "Every ticket in which somebody with four legs or more takes part.",
        "SELECT id AS ticket, summary, status, resolution, time AS created\n"
        "FROM ticket\n"
        "WHERE keywords LIKE '%animals%'\n"
        "ORDER BY time\n",
    ),
}
