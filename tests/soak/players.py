# SPDX-License-Identifier: Apache-2.0
"""Guests of the soak and switches, told what to do while they may be killed by others."""
import json
import mmap
import os
import pathlib
import signal
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from lab import BUILD, Failure, Switch, expect, link_up, run, wait_for  # noqa: E402

PROGRAM = BUILD / "tests/soak/soak_guest"
MEMORY = 4 << 20
PATIENCE = 30  # seconds, for what always happens, on a busy machine, too
LIVES = 100000  # numbers of lives of one process


class Player(Switch):
    """A switch that may be killed at any moment by another thread: what is asked of it is asked again
    until it is so."""

    def __init__(self, lab, **options):
        super().__init__(lab, **options)
        self.turn = threading.Lock()  # of those who kill and exchange it

    def wait_for_work(self, seconds):
        """Until a worker runs, but not longer."""
        stats = [t / "stat" for t in pathlib.Path(f"/proc/{self.pid}/task").iterdir()
                 if "worker" in (t / "comm").read_text()]
        end = time.monotonic() + seconds
        while time.monotonic() < end and not any(") R " in s.read_text() for s in stats):
            pass

    def ask(self, *words, unless=""):
        """Runs vireo until it says yes, or no with @unless in its words."""
        def answer():
            status, text = run(self.build / "vireo", "--run-dir", self.run_dir, *words, check=False)
            answer.text = text
            return status == 0 or (unless and unless in text)
        try:
            wait_for(answer, PATIENCE, "an answer", 0.01)
        except Failure as failure:
            raise Failure(f"vireo {' '.join(map(str, words))}: {answer.text}") from failure

    def look(self, *words):
        """What vireo shows, as JSON."""
        def answer():
            status, text = run(self.build / "vireo", "--run-dir", self.run_dir, "-j", *words,
                               check=False)
            return [json.loads(text)] if status == 0 else None
        return wait_for(answer, PATIENCE, f"vireo {' '.join(words)}", 0.01)[0]

    def add_guest_port(self, name, bridge):
        """Returns the socket."""
        path = self.run_dir / f"{name}.sock"
        self.ask("port", "add", name, "type", "vhost-user", "path", path, "bridge", bridge, "queues",
                 2, unless="there is a port")
        return path


class Guest:
    """One of a pair. It lives again and again: each life has its books, and its memory."""

    def __init__(self, lab, number, peer, ring, switch):
        self.lab, self.number, self.peer, self.ring, self.switch = lab, number, peer, ring, switch
        self.name, self.bridge = f"g{number}", f"br{min(number, peer)}"
        self.process, self.n_processes, self.window = None, 0, 0
        self.memory, self.dead = None, []  # of this life; (life, memory) of killed ones
        self.books = lab.dir / "books"
        self.books.mkdir(exist_ok=True)

    def socket(self):
        return self.switch.run_dir / f"{self.name}.sock"

    def begin(self):
        self.n_processes += 1
        self.memory = os.memfd_create(self.name)
        os.ftruncate(self.memory, MEMORY)
        os.set_inheritable(self.memory, True)
        self.process = self.lab.spawn(
            self.name, [PROGRAM, "run", self.books, self.number, self.n_processes * LIVES, self.peer,
                        self.socket(), self.ring, self.memory], stdin=subprocess.PIPE,
            pass_fds=[self.memory])
        self.tell(f"send {self.window}")

    def said(self, line):
        """How often."""
        return self.process.log.read_text(errors="replace").splitlines().count(line)

    def tell(self, command, meanwhile=None):
        """Returns when it is done. Calls @meanwhile() when it may have begun."""
        line = "did " + command.split()[0]
        expect(self.process.poll() is None, f"{self.name} has ended: {self.process.returncode}")
        before = self.said(line)
        self.process.stdin.write((command + "\n").encode())
        self.process.stdin.flush()
        if meanwhile:
            meanwhile()
        wait_for(lambda: self.said(line) > before, PATIENCE, f"{self.name} to {command}", 0.01)

    def send(self, window):
        self.window = window
        self.tell(f"send {window}")

    def pause(self):
        self.tell("pause")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()
        self.dead.append((self.lives()[-1], self.memory))

    def migrate(self, switch):
        self.switch = switch
        self.tell(f"migrate {self.socket()}")

    def lives(self):
        """Numbers of those whose books are there, in order."""
        return sorted(int(p.suffix[1:]) for p in self.books.glob(f"{self.number}.*"))

    def is_up(self):
        ports = {p["name"]: p for p in self.switch.look("port", "show")}
        return self.name in ports and link_up(ports[self.name])

    def audit(self, life, memory=None):
        """What the books of a life say; with the memory of one that was killed."""
        argv = [PROGRAM, "audit", self.books, self.number, life]
        argv += [] if memory is None else [memory]
        out = subprocess.run([str(a) for a in argv], pass_fds=[] if memory is None else [memory],
                             stdout=subprocess.PIPE, timeout=60, check=True)
        return json.loads(out.stdout)

    def counts(self):
        """Of the present life: frames posted, taken by the switch, and come to the peer."""
        with open(self.books / f"{self.number}.{self.lives()[-1]}", "rb") as file:
            page = mmap.mmap(file.fileno(), mmap.PAGESIZE, prot=mmap.PROT_READ)
            queues = [struct.unpack_from("<4Q", page, 24 + 48 * q) for q in range(2)]
            page.close()
        return [sum(q[i] for q in queues) for i in range(4)]
