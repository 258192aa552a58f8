#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
The switch process is killed while packets of many flows pass, each of which has a rule of its own: no
packet meets a rule that is not in force.
"""
from lab import Switch, expect, main, say, scaled
from verdicts import Verdicts

FLOWS = 5000


def kills(lab):
    """Rules that have been others before."""
    switch, n = Switch(lab), scaled(4)
    guests = Verdicts(lab, switch, FLOWS)
    pauses = [guests.kill() for _ in range(n)]
    counts = guests.end()
    say(f"  {n} kills with {FLOWS} rules: {counts}; pauses {[round(p) for p in pauses]} ms")
    expect(counts["wrong"] == counts["corrupted"] == 0, "frames have met another rule")
    expect(counts["lost"] == 0 and counts["sent"] == counts["received"], "frames have met no rule")
    expect(len(switch.json("flow", "show")) == FLOWS + 1, "there are other rules than before")
    switch.stop(n)


def shows(lab):
    """The guests see it when a rule is wrong, or not there."""
    switch = Switch(lab)
    guests = Verdicts(lab, switch, FLOWS)
    switch("flow", "mod", "udp,nw_src=10.0.0.7,actions=output:trap")
    switch("flow", "del", "udp,nw_src=10.0.0.8")
    begin = guests.go_on()
    while guests.ask()["sent"] < begin["sent"] + 2 * FLOWS:
        guests.go_on()
    counts = guests.end()
    expect(counts["wrong"] >= 4 and counts["lost"] == 0, f"two rules are wrong: {counts}")
    switch.stop()


main(kills, shows, title=__doc__)
