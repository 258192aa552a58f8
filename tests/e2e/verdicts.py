# SPDX-License-Identifier: Apache-2.0
"""Guests to whom it shows when a packet meets another rule than the one that is in force, or none.

    sender --- a (1) ---.         .--- b (2), c (3), d (4) --- flow f goes to port 2 + f % 3
                        vireod ---+
                                  '--- trap (5) --- whatever has no rule of its own
"""
import json
import random
import subprocess
import time

from kills import kill
from lab import BUILD, Lab, expect, wait_for
from openflow import ADD, DELETE, MATCH_ALL, MODIFY_STRICT, OpenFlow, flow_mod, match_udp

RECEIVERS, TRAP = "bcd", 5
SOURCE, DESTINATION = 0x0a000000, 0xc0000201


def match(flow):
    """As verdicts.c makes its frames."""
    return match_udp(SOURCE + flow, DESTINATION, 1024 + flow % 60000, 9)


def port(flow):
    return 2 + flow % len(RECEIVERS)


def messages(command, flows, to=port):
    """Flow-mods of many flows; without @to, their rules drop."""
    return b"".join(flow_mod(command, match(flow), to and to(flow)) for flow in flows)


def lead_to_trap(flow):
    return TRAP


class Verdicts:
    """The switch with its ports and rules, and the guests. Each rule was another one before."""

    def __init__(self, lab, switch, n_flows, wrap=()):
        sockets = [switch.vhost(name) for name in ("a", *RECEIVERS, "trap")]
        peer = OpenFlow(switch.run_dir / "br0.mgmt", switch.process)
        peer.barrier(flow_mod(DELETE, MATCH_ALL) + flow_mod(ADD, MATCH_ALL, TRAP, priority=1))
        peer.barrier(messages(ADD, range(n_flows), lead_to_trap))
        peer.barrier(messages(MODIFY_STRICT, range(n_flows)))
        peer.close()
        self.switch = switch
        self.process = subprocess.Popen(
            [str(w) for w in (*wrap, BUILD / "tests/e2e/verdicts", n_flows, *sockets)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        lab.stack.callback(Lab.stop, self.process)
        self.go_on()

    def ask(self):
        """What was counted so far, and the longest pause since it was asked last."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        text = self.process.stdout.readline()
        expect(text, "the guests have ended")
        return json.loads(text)

    def go_on(self):
        """Waits until more frames arrive; returns what was counted, with the longest pause since it
        was asked last."""
        answers = [self.ask()]

        def more():
            answers.append(self.ask())
            return answers[-1]["received"] > answers[0]["received"]
        wait_for(more, 20, "frames to arrive")
        return {**answers[-1], "gap_ms": max(a["gap_ms"] for a in answers)}

    def kill(self):
        """Kills the switch process, at a random moment of one that has been well for a while, so that
        the keeper does not wait with the next; milliseconds in which no frame arrived."""
        time.sleep(random.uniform(0.3, 0.4))
        self.go_on()
        kill(self.switch)
        return self.go_on()["gap_ms"]

    def end(self):
        """What was counted in all."""
        out = self.process.communicate(timeout=30)[0]
        expect(self.process.returncode == 0, "the guests have failed")
        return json.loads(out.splitlines()[-1])
