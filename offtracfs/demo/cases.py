"""The demo's cases as a TeamTrack would have them: what was done to each of them in ten years, step by step.

The same arguments give the same steps for ever. Moments are whole seconds since 1970, UTC.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from offtracfs.demo import railway, workflows
from offtracfs.demo.lives import END, SEED, START, by_day
from offtracfs.demo.troubles import TROUBLES
from offtracfs.demo.workflows import (
    PROJECTS,
    SELECTIONS,
    STATES,
    TRANSITIONS,
    WORKFLOWS,
)
from offtracfs.teamtrack.provisional import SUBMIT, UPDATE

CASES = 300
UNRESOLVED = 12  # the case that is open in the end: somebody may want to resolve one
_TRIAGE, _REOPENED, _TALKED = 3, 0.15, 0.5  # days; shares
_PATIENCE = (1, 1, 1, 2, 15)  # how much longer than others some cases wait
USER_IDS = {name: number for number, name in enumerate(workflows.USERS, 1)}


def _selections() -> dict[tuple[str, str], int]:
    pairs = ((name, word) for name, words in SELECTIONS.items() for word in words)
    return {pair: number for number, pair in enumerate(pairs, 1)}


SELECTED = _selections()
"""Field and word → the id in TS_SELECTIONS."""


class Step(NamedTuple):
    """What somebody did to a case: `transition` is its id, SUBMIT or UPDATE; `before` and `after` are its
    fields.
    """

    moment: int
    case: int
    user: str
    transition: int
    before: Mapping[str, Any]
    after: Mapping[str, Any]


@dataclass(slots=True)
class _Story:
    """A case while things happen to it."""

    number: int
    random: Random
    now: datetime
    words: dict[str, str]
    values: dict[str, Any] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    def wait(self, days: float) -> None:
        self.now += timedelta(days=self.random.expovariate(1 / days), minutes=2)

    def say(self, *texts: str) -> str:
        text = self.random.choice(texts).format_map(self.words)
        return text[:1].upper() + text[1:]

    def do(self, user: str, transition: int = UPDATE, **fields: Any) -> None:
        """A step, with what every step sets."""
        moment = int(by_day(self.now).timestamp())
        after = fields | {"LASTMODIFIER": USER_IDS[user], "LASTMODIFIEDDATE": moment}
        if transition != UPDATE:
            state = workflows.NEW if transition == SUBMIT else TRANSITIONS[transition].enters
            closed = STATES[state].closed
            after |= {"STATE": state, "LASTSTATECHANGER": USER_IDS[user], "LASTSTATECHANGEDATE": moment}
            after |= {"ACTIVEINACTIVE": int(closed), "CLOSEDATE": moment if closed else None}
        before = dict(self.values)
        self.values |= after
        self.steps.append(Step(moment, self.number, user, transition, before, dict(self.values)))

    def go(self, user: str, name: str, **fields: Any) -> None:
        """The transition of that name in the case's workflow, its own before an inherited one."""
        workflow = PROJECTS[self.values["PROJECTID"]].workflow
        while True:
            for number, transition in TRANSITIONS.items():
                if transition.name == name and transition.workflow == workflow:
                    self.do(user, number, **fields)
                    return
            workflow = WORKFLOWS[workflow].parent

    def talk(self, user: str, text: str) -> None:
        """Somebody adds a paragraph to the description, as there are no comments."""
        self.do(user, DESCRIPTION=f"{self.values['DESCRIPTION']}\n\n{user}: {text}")


def story(number: int, cases: int) -> list[Step]:
    """All that happens to case `number` of so many, until the ten years are over; in order of time."""
    random = Random(f"{SEED}/{number}")  # noqa: S311  # stories, no secrets
    born = START + (END - START) * ((number - 1) / cases)
    years = (born - START) / timedelta(days=365.25)
    components = {name: item for name, item in railway.COMPONENTS.items() if item.since <= years}
    trouble = random.choice([trouble for trouble in TROUBLES if trouble.component in components])
    place, engine = random.choice(railway.PLACES), random.choice(railway.ENGINES)
    told = _Story(number, random, born, {"place": place, "engine": engine, "other": str(max(number - 3, 1))})
    reporter, owner = random.choice(railway.REPORTERS), components[trouble.component].owner
    weather = random.choice(SELECTIONS["WEATHER"])
    defect = trouble.type == "defect"
    told.do(
        reporter,
        SUBMIT,
        TITLE=told.say(trouble.summary),
        DESCRIPTION=told.say(trouble.description),
        ISSUETYPE=SELECTED["ISSUETYPE", trouble.type.capitalize()],
        PROJECTID=workflows.PROJECT_OF[trouble.component],
        SUBMITTER=USER_IDS[reporter],
        SUBMITDATE=int(by_day(born).timestamp()),
        OWNER=USER_IDS["triage"],
        PRIORITY=SELECTED["PRIORITY", "Major"],
        SEVERITY=SELECTED["SEVERITY", random.choice(workflows.SEVERITIES)] if defect else None,
        WEATHER=SELECTED["WEATHER", weather] if defect else None,
        PLACES=f",{SELECTED['PLACES', place]},",
        KEYWORDS=trouble.keywords,
        COSTS=None,
    )
    _worked_on(told, reporter, owner, components[trouble.component].cures)
    last = int(END.timestamp())
    return [step for step in told.steps if step.moment <= last]


def _worked_on(told: _Story, reporter: str, owner: str, cures: tuple[str, ...]) -> None:
    random = told.random
    told.wait(_TRIAGE)
    priority = random.choice(SELECTIONS["PRIORITY"])
    told.go("triage", "Assign", OWNER=USER_IDS[owner], PRIORITY=SELECTED["PRIORITY", priority])
    if random.random() < _TALKED:
        told.wait(10)
        told.talk(reporter, told.say(*railway.ANSWERS))
    if random.random() < _TALKED / 2:
        told.wait(5)
        also = SELECTED["PLACES", random.choice(railway.PLACES)]
        places = told.values["PLACES"]
        told.do(reporter, PLACES=places if f",{also}," in places else f"{places}{also},")
    if told.number == UNRESOLVED:
        return
    workflow = PROJECTS[told.values["PROJECTID"]].workflow
    if workflow == 2 and random.random() < _TALKED:
        told.go(owner, "Wait")
        told.wait(20)
        told.go(owner, "Go on")
    _resolved(told, owner, cures)
    if random.random() < _REOPENED:
        told.wait(150)
        told.go(reporter, "Reopen")
        told.talk(reporter, told.say(*railway.REOPENED))
        _resolved(told, owner, cures)


def _resolved(told: _Story, owner: str, cures: tuple[str, ...]) -> None:
    told.wait(40 * told.random.choice(_PATIENCE))
    told.talk(owner, told.say(*cures))
    told.go(owner, "Resolve", COSTS=round(told.random.uniform(0, 90), 2))
    if told.values["STATE"] == workflows.IN_TEST:
        told.wait(5)
        told.go("qa", "Pass")
    told.wait(15)
    told.go("qa", "Close")


def steps(cases: int = CASES) -> Iterator[Step]:
    """What happens to all cases, in order of time. It keeps only the cases in mind that are not at their
    end.
    """
    ahead: list[tuple[int, int, int, Step]] = []
    for number in range(1, cases + 1):
        told = story(number, cases)
        while ahead and ahead[0][0] < told[0].moment:
            yield heapq.heappop(ahead)[3]
        for place, step in enumerate(told):
            heapq.heappush(ahead, (step.moment, number, place, step))
    while ahead:
        yield heapq.heappop(ahead)[3]
