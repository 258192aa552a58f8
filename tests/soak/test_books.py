#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The soak's books find what is wrong: one frame too much or too little."""
import unittest

from books import Sums, exact, wrong

QUIET = {"taken": 100, "lost": 7, "dropped": 5, "held_lost": 2, "rx": 100, "tx": 93}
DEATH = {**QUIET, "deaths": 1, "again": 4}


class Books(unittest.TestCase):
    def test_without_death(self):
        self.assertEqual(wrong(Sums(**QUIET)), [])
        self.assertTrue(exact(Sums(**QUIET)))
        for name in ("taken", "lost", "repeated", "beyond", "bad", "dropped", "held_lost", "rx", "tx"):
            for by in (1, -1):
                s = Sums(**QUIET)
                setattr(s, name, getattr(s, name) + by)
                self.assertTrue(wrong(s), f"{name} {by}")

    def test_with_death(self):
        for change in ({}, {"repeated": 4, "rx": 104, "tx": 97}, {"rx": 102, "lost": 6, "tx": 94},
                       {"rx": 104}, {"tx": 95}):
            self.assertEqual(wrong(Sums(**{**DEATH, **change})), [], change)
        for change in ({"lost": 8, "tx": 92}, {"repeated": 5, "rx": 105, "tx": 98}, {"lost": 0},
                       {"rx": 105}, {"rx": 99}, {"tx": 100}, {"tx": 92}, {"bad": 1},
                       {"repeated": 4, "lost": 4, "tx": 97}):
            self.assertTrue(wrong(Sums(**{**DEATH, **change})), change)

    def test_killed_together(self):
        """A guest and its switch, in the middle of a batch."""
        both = {**DEATH, "torn": 3, "beyond": 2, "rx": 102, "tx": 95}
        self.assertEqual(wrong(Sums(**both)), [])
        self.assertTrue(wrong(Sums(**{**both, "rx": 108})))


unittest.main()
