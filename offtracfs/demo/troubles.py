"""What the demo's tickets are about. Data only; the texts have places for {place} and {engine}."""

from __future__ import annotations

from typing import NamedTuple


class Trouble(NamedTuple):
    """What a ticket may be about."""

    component: str
    type: str
    summary: str
    description: str
    keywords: str = ""


TROUBLES = (
    Trouble(
        "track",
        "defect",
        "Rails buckle in the sun at {place}",
        "By three in the afternoon the gauge at {place} is 2 mm too wide, and {engine} drops in with its "
        "first axle. In the morning all is well.",
        "derail, heat",
    ),
    Trouble(
        "track",
        "defect",
        "{engine} loses power at {place}",
        "Always at the same joint, and only towards the shed. A coin laid across the joint cures it, so it "
        "is the track and not the engine.",
        "electric",
    ),
    Trouble(
        "track",
        "defect",
        "Moles under {place}",
        "The line is 3 cm higher than last week. {engine} can still climb it, its passengers complain.",
        "animals",
    ),
    Trouble(
        "track",
        "task",
        "Clear the leaves at {place} before the autumn running day",
        "With wet leaves on the rails {engine} needs twice its length to stop.",
        "leaves, season",
    ),
    Trouble(
        "track",
        "enhancement",
        "A passing loop at {place}",
        "Two trains that meet at {place} must settle it by backing up. There is room for a loop of 3 m if "
        "the thyme moves a little.",
        "building",
    ),
    Trouble(
        "points",
        "defect",
        "Points at {place} stick after frost",
        "The motor hums and nothing moves. A finger helps, which is not what we want at minus four degrees.",
        "frost",
    ),
    Trouble(
        "points",
        "defect",
        "Points at {place} throw under {engine}",
        "The front half went left and the back half right.\n\n"
        "{{{{{{\n14:02:11 points set: straight\n14:02:13 points set: diverging\n14:02:13 occupied\n}}}}}}",
        "derail",
    ),
    Trouble(
        "points",
        "defect",
        "Gravel between the blades at {place}",
        "It comes from the path, with the visitors. The points report both ends as reached.",
        "gravel",
    ),
    Trouble(
        "points",
        "enhancement",
        "Tell at {place} which way the points lie",
        "A small white target on the rod would do. From the bench one cannot see the blades.",
    ),
    Trouble(
        "signals",
        "defect",
        "Signal at {place} shows green while {engine} is standing there",
        "Seen twice in one afternoon. Nobody was hurt, but the milk wagon will never look the same.",
        "safety, block",
    ),
    Trouble(
        "signals",
        "defect",
        "Signal at {place} goes dark when it rains",
        "Dry again by the next morning, signal too. There is a snail in the lamp housing.",
        "rain, animals",
    ),
    Trouble(
        "signals",
        "defect",
        "Wires chewed through at {place}",
        "Probably mice. The signal shows all three lights at once, which the rule book does not know.",
        "animals, electric",
    ),
    Trouble(
        "signals",
        "enhancement",
        "A distant signal before {place}",
        "{engine} comes round the bush at full speed and sees the home signal when it is too late.",
        "safety",
    ),
    Trouble(
        "signals",
        "task",
        "Paint the signal posts at {place}",
        "Red and white, weatherproof. The robins do not mind.",
    ),
    Trouble(
        "engines",
        "defect",
        "{engine} slips on the climb to {place}",
        "With three wagons it is fine, with four it stands and polishes the rail.",
        "wheels",
    ),
    Trouble(
        "engines",
        "defect",
        "Coupling of {engine} opens at {place}",
        "The last two wagons stay behind, then follow, then overtake.",
        "coupling",
    ),
    Trouble(
        "engines",
        "defect",
        "{engine} smells of burnt toast after {place}",
        "After ten rounds the motor is too hot to touch. No toast was on board.",
        "heat, motor",
    ),
    Trouble(
        "engines",
        "enhancement",
        "A headlamp for {engine}",
        "For the evening trains. In the dark nobody at {place} knows what is coming.",
        "electric",
    ),
    Trouble(
        "engines",
        "task",
        "Yearly overhaul of {engine}",
        "Axles, pick-ups, gears, oil. Last found running badly at {place}.",
        "season",
    ),
    Trouble(
        "controller",
        "defect",
        "Crash when two trains reach {place} at once",
        "The controller stops, and all trains with it, which at least is safe.\n\n"
        "{{{{{{\nblock.c:118: assertion failed: owner != NULL\ncontroller restarted (reason: crash)\n}}}}}}",
        "crash",
    ),
    Trouble(
        "controller",
        "defect",
        "Crash at {place} after {engine} is renamed",
        "Names of more than 16 letters crash the controller at the next message. Shorter ones are fine.",
        "crash",
    ),
    Trouble(
        "controller",
        "defect",
        "{engine} runs backwards after a restart at {place}",
        "The direction is not kept. It should stand still until told, not guess.",
        "safety",
    ),
    Trouble(
        "controller",
        "defect",
        "Sensor at {place} counts butterflies",
        "On a warm day it sees 40 axles an hour more than there are. At night the count is right.",
        "sensor, animals",
    ),
    Trouble(
        "controller",
        "enhancement",
        "Emergency stop within reach of {place}",
        "From {place} to the shed it is eleven steps. {engine} needs four seconds to the pond.",
        "safety",
    ),
    Trouble(
        "controller",
        "enhancement",
        "Keep the log of {place} when the power fails",
        "The last lines before the trouble are the ones that are lost, and they are the ones one wants.",
        "log",
    ),
    Trouble(
        "manual",
        "defect",
        "The manual has {place} on the wrong side of the pond",
        "A guest drove {engine} by the map and met another one that did so too.",
        "map",
    ),
    Trouble(
        "manual",
        "task",
        "Explain how to put {engine} back on the rails at {place}",
        "With a picture. Not by the chimney!",
    ),
    Trouble(
        "manual",
        "enhancement",
        "A page for children about {place}",
        "What one may touch (the bell), and what not ({engine}, while it is hot).",
    ),
    Trouble(
        "manual",
        "defect",
        "Spelling: “{place}” has three spellings",
        "On the sign, on the map and in the rule book. The sign is right, it was expensive.",
    ),
    Trouble(
        "timetable",
        "defect",
        "No connection at {place} on Sundays",
        "{engine} leaves one minute before the other train comes in. The passengers, being plastic, wait.",
        "connection",
    ),
    Trouble(
        "timetable",
        "defect",
        "{engine} is due at {place} and at the shed at the same time",
        "14:30, both. Since the change to summer time, I think.",
        "clock",
    ),
    Trouble(
        "timetable",
        "enhancement",
        "A night train to {place}",
        "With lit windows. {engine} could do it after the overhaul.",
    ),
    Trouble(
        "track camera",
        "defect",
        "Camera sees only the cat at {place}",
        "384 pictures, one cat. {engine} can be seen in the last one, between the ears.",
        "animals",
    ),
    Trouble(
        "track camera",
        "defect",
        "Camera page crashes for trains with an umlaut",
        "“Grüner Käfer”, lent by the neighbours, takes the page down when it passes {place}:\n\n"
        "{{{{{{\nUnicodeDecodeError: can't decode byte 0xfc in position 2\n}}}}}}",
        "crash, unicode",
    ),
    Trouble(
        "track camera",
        "task",
        "Wipe the lens at {place}",
        "Since the sprinkler was moved, {engine} looks as if it ran under water.",
    ),
)
