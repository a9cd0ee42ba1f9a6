"""The week of a million readers of a Bible, minute by minute, by chance and by what is known of such readers.

The habits are assumptions, each in one place here, and what follows from others is easy to see: change a number and run
`benchmarks.million` again. Times are of each reader's own zone.

    who     a tenth reads daily, a third comes on Sundays, a quarter now and then, the rest not at all in a week
    when    daily readers around 6 to 8 or 20 to 22; on Sundays half of both come within the quarter of an hour in which
            their service begins, 9:00 to 11:30
    how     a session lasts minutes, in a service more than an hour; two of three edit nothing, the others a few times
    with    two devices a person in the mean, one of which is often left open; one reader in ten is in a group of eight,
            and half of its edits go to the others of it who are there
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

__all__ = ["MINUTES", "Habits", "Week", "week"]

DAY = 24 * 60
MINUTES = 7 * DAY
SUNDAY = 6  # the week begins on a Monday
ZONES = ((-8, 0.05), (-6, 0.20), (-5, 0.25), (-3, 0.15), (0, 0.08), (1, 0.10), (3, 0.05), (5.5, 0.06), (8, 0.06))
"""Hours from UTC, and the share of readers who live there."""


@dataclass(frozen=True, slots=True)
class Habits:
    """What readers do. Shares are of all readers."""

    daily: float = 0.10
    sundays: float = 0.33
    now_and_then: float = 0.25
    in_a_service: float = 0.5
    """Of daily and Sunday readers, on a Sunday."""
    session_min: float = 12.0
    service_min: float = 70.0
    edits_nothing: float = 0.65
    edits: float = 3.0
    """In the mean, of a session that edits."""
    left_open: float = 0.05
    """Of all readers: a device with a connection that stays for the week, in a tab or an app that sleeps."""
    in_a_group: float = 0.10
    members: int = 8


@dataclass(slots=True)
class Week:
    """For each minute of UTC: devices that come, devices that are connected, edits, and edits told to somebody else."""

    coming: array[float]
    there: array[float]
    edits: array[float]
    told: array[float]


@dataclass(frozen=True, slots=True)
class Session:
    """When it begins, in minutes of the reader's own week, and how long it lasts."""

    begins: float
    minutes: float


def _sessions(random: Random, habits: Habits) -> Iterator[Session]:
    """Yield the sessions of one reader."""
    kind = random.random()
    is_daily = kind < habits.daily
    is_of_sundays = not is_daily and kind < habits.daily + habits.sundays
    if not is_daily and not is_of_sundays:
        if kind < habits.daily + habits.sundays + habits.now_and_then and random.random() < 0.5:
            yield _alone(random, habits, random.randrange(7), random.gauss(15 * 60, 4 * 60))
        return
    if is_daily:
        for day in range(7):
            early = random.random() < 0.6
            yield _alone(random, habits, day, random.gauss(7 * 60 if early else 21 * 60, 45))
    if random.random() < habits.in_a_service:
        service = random.choices((9 * 60, 10 * 60, 10 * 60 + 30, 11 * 60, 11 * 60 + 30), (2, 5, 3, 3, 1))[0]
        begins = SUNDAY * DAY + service + random.gauss(0, 4)
        yield Session(begins, max(5.0, random.gauss(habits.service_min, 15)))
    elif is_of_sundays:
        yield _alone(random, habits, SUNDAY, random.gauss(16 * 60, 3 * 60))


def _alone(random: Random, habits: Habits, day: int, minute: float) -> Session:
    return Session(day * DAY + minute, random.lognormvariate(0.0, 0.8) * habits.session_min)


def week(readers: int, habits: Habits, *, seed: int = 1) -> Week:
    """Let `readers` live a week. The week is a ring: what ends after it ends at its beginning."""
    random = Random(seed)
    coming, edits, told = (array("d", bytes(8 * MINUTES)) for _ in range(3))
    change = array("d", bytes(8 * MINUTES))
    always = 0.0
    hours, shares = zip(*ZONES, strict=True)
    for _ in range(readers):
        shift = random.choices(hours, shares)[0] * 60
        in_a_group = random.random() < habits.in_a_group
        if random.random() < habits.left_open:
            always += 1
        for session in _sessions(random, habits):
            begins = int(session.begins - shift) % MINUTES
            ends = int(session.begins - shift + session.minutes) % MINUTES
            coming[begins] += 1
            change[begins] += 1
            change[ends] -= 1
            always += ends < begins
            if random.random() < habits.edits_nothing:
                continue
            for _ in range(1 + int(random.expovariate(1 / habits.edits))):
                at = int(session.begins - shift + random.random() * session.minutes) % MINUTES
                edits[at] += 1
                told[at] += 1 * habits.left_open  # to a device of one's own that was left open
                if in_a_group and random.random() < 0.5:
                    told[at] += (habits.members - 1) * 0.3  # of them are there
    there = array("d", bytes(8 * MINUTES))
    now = always
    for minute in range(MINUTES):
        now += change[minute]
        there[minute] = now
    return Week(coming, there, edits, told)
