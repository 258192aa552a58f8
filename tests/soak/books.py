# SPDX-License-Identifier: Apache-2.0
"""The balance of the soak: what guests say, held against what switches say.

Guests know each frame by its number. Between two moments of silence, of all frames:

    taken      by the switch out of guests' rings
    lost       of these, those that no guest got
    repeated   those that a guest got once more
    beyond     those that a guest got from a ring that did not say that they were taken: its guest
               and its switch were killed together

Switches say what they dropped, and why; what waited in inboxes when they died (tx_held_lost); and, at
each start after a death, how many frames they may take once more (again). Without a death all must be
equal. A frame that is taken twice may be delivered once and dropped once, so with deaths

    lost <= dropped + held_lost
    lost >= dropped - (again - repeated)
    repeated <= again

which is exact, too, when nothing was dropped in between.
"""
from dataclasses import dataclass, fields

BATCH = 32  # frames that a dead guest's ring may have had in work, at most, of a queue


@dataclass
class Sums:
    """All since the start, or between two moments."""
    # guests
    taken: int = 0
    lost: int = 0
    repeated: int = 0
    beyond: int = 0
    bad: int = 0
    torn: int = 0  # frames that were left in rings of killed guests, at most a batch a queue
    # switches
    rx: int = 0
    tx: int = 0
    dropped: int = 0
    held_lost: int = 0
    again: int = 0
    deaths: int = 0

    def minus(self, other):
        return Sums(**{f.name: getattr(self, f.name) - getattr(other, f.name)
                       for f in fields(Sums)})

    @property
    def delivered(self):
        """To guests, repeated frames too."""
        return self.taken - self.lost + self.repeated + self.beyond


def wrong_without_death(s):
    """What does not balance, in words."""
    pairs = [("rx_packets", s.rx, "frames taken", s.taken),
             ("tx_packets", s.tx, "frames delivered", s.delivered),
             ("lost", s.lost, "dropped by name", s.dropped + s.held_lost),
             ("repeated", s.repeated, "nothing", 0), ("beyond", s.beyond, "nothing", 0)]
    return [f"{a} {x}, {b} {y}" for a, x, b, y in pairs if x != y]


def wrong_with_death(s):
    again = s.again + s.torn
    spare = again - s.repeated - s.beyond
    bounds = [("repeated", 0, s.repeated, s.again),
              ("lost", s.dropped - spare, s.lost, s.dropped + s.held_lost),
              ("rx_packets - taken", 0, s.rx - s.taken, again),
              ("tx_packets - delivered", 0, s.tx - s.delivered, max(spare, 0) + s.held_lost)]
    return [f"{what} {value}, not {least}..{most}" for what, least, value, most in bounds
            if not least <= value <= most]


def wrong(s):
    """What is wrong with the sums between two moments of silence: a list, empty when all is well."""
    found = wrong_with_death(s) if s.deaths else wrong_without_death(s)
    return found + ([f"{s.bad} bad frames"] if s.bad else [])


def exact(s):
    """Whether nothing is left between bounds."""
    return s.lost == s.dropped + s.held_lost
