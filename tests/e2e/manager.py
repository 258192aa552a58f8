# SPDX-License-Identifier: Apache-2.0
"""A service manager like systemd, as far as one service with an fd store needs it: it hears
notifications, keeps descriptors, and starts the service again, with them, when it dies."""
import array
import os
import select
import signal
import socket
import subprocess
import threading
import time

from lab import BUILD, PR_SET_PDEATHSIG, Switch, connect, expect, libc, wait_for

SYS_KCMP = 312  # x86-64
KCMP_FILE = 0
FDS_MAX = 253  # SCM_MAX_FD
ACTIVATE = "tests/e2e/activate"


def same_file(a, b):
    return libc.syscall(SYS_KCMP, os.getpid(), os.getpid(), KCMP_FILE, a, b) == 0


class Manager:
    """Runs one service, in a thread of its own."""

    def __init__(self, lab, argv, env=None):
        self.lab, self.argv, self.env = lab, [str(a) for a in argv], env or {}
        self.path = lab.dir / lab.unique("notify")
        self.log = lab.dir / (lab.unique("vireod") + ".log")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(str(self.path))
        self.store, self.problems, self.states = [], [], []
        self.ready = []  # when READY=1 came
        self.process, self.starts, self.stopping, self.ended = None, 0, False, False
        self.wake, self.waker = os.pipe()
        self.thread = threading.Thread(target=self.run, daemon=True)
        lab.stack.callback(self.end)
        self.thread.start()
        wait_for(lambda: self.process, 10, "the service to be started")

    def end(self):
        """Ends the service however it can be ended, and the thread."""
        self.stopping = self.ended = True
        os.write(self.waker, b"x")
        self.thread.join(30)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for _, fd in self.store:
            os.close(fd)
        self.store.clear()

    def start(self):
        fds = [fd for _, fd in self.store]
        environment = dict(os.environ, **self.env, NOTIFY_SOCKET=str(self.path),
                           LISTEN_FDNAMES=":".join(name for name, _ in self.store))
        with open(self.log, "ab") as out:
            process = subprocess.Popen(
                [str(BUILD / ACTIVATE), ",".join(map(str, fds)) or "-", *self.argv],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, pass_fds=fds,
                env=environment,
                preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
        process.log = self.log
        self.starts += 1
        self.process = process

    def run(self):
        # the service dies with this thread, which so lives as long as the test
        self.start()
        ends = [os.pidfd_open(self.process.pid)]
        while not self.ended:
            # what the service said before it died is heard before its death is seen
            readable = select.select([self.sock, self.wake, *ends], [], [])[0]
            if self.sock in readable:
                self.hear()
            elif ends and ends[0] in readable:
                self.process.wait()
                os.close(ends.pop())
                if not self.stopping:
                    self.start()
                    ends = [os.pidfd_open(self.process.pid)]
        for end in ends:
            os.close(end)

    def hear(self):
        text, ancillary, _, _ = self.sock.recvmsg(
            4096, socket.CMSG_SPACE(4 * FDS_MAX), socket.MSG_CMSG_CLOEXEC)
        fds = array.array("i")
        for _, _, data in ancillary:
            fds.frombytes(data)
        words = dict(line.partition("=")[::2] for line in text.decode().splitlines())
        self.states.append(words)
        if words.get("READY") == "1":
            self.ready.append(time.monotonic())
        if words.get("FDSTORE") == "1":
            self.keep(words, list(fds))
        elif fds:
            self.problems.append(f"descriptors without FDSTORE: {words}")
        if words.get("FDSTOREREMOVE") == "1":
            for name, fd in self.store:
                if name == words["FDNAME"]:
                    os.close(fd)
            self.store = [(name, fd) for name, fd in self.store if name != words["FDNAME"]]

    def keep(self, words, fds):
        if words.get("FDPOLL") != "0" or not fds:
            self.problems.append(f"{words} with {len(fds)} descriptors")
        for fd in fds:
            if any(same_file(fd, old) for _, old in self.store):
                self.problems.append(f"a file that is kept already: {words}")
                os.close(fd)
            else:
                self.store.append((words.get("FDNAME", "stored"), fd))


class Service(Switch):
    """A vireod that a manager runs."""

    def __init__(self, lab, args=(), env=None):
        self.env = env
        super().__init__(lab, args=args)

    def start(self):
        self.manager = Manager(self.lab, self.argv, self.env)
        connect(self.run_dir / "vireod.sock", 30, self.process).close()
        self.find()
        wait_for(lambda: self.manager.ready, 30, "READY=1")

    @property
    def process(self):
        return self.manager.process

    def kill_keeper(self, wait=True):
        """Returns how many milliseconds later the next one was ready."""
        n, begin, old = len(self.manager.ready), time.monotonic(), self.process
        os.kill(old.pid, signal.SIGKILL)
        if not wait:
            wait_for(lambda: self.process is not old, 10, "another keeper", 0.0005)
            return 0
        wait_for(lambda: len(self.manager.ready) > n, 30, "the next keeper", 0.001)
        self.find()
        return (self.manager.ready[n] - begin) * 1000

    def stop(self, crashes=0):
        self.manager.stopping = True
        expect(not self.manager.problems, f"the manager says: {self.manager.problems[:5]}")
        super().stop(crashes)
        wait_for(lambda: not self.manager.store, 10, "the manager to keep nothing")
        expect(not list(self.run_dir.iterdir()), f"left behind: {list(self.run_dir.iterdir())}")
