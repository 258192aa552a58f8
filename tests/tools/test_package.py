#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Debian package: what is in it, and whether its unit is one that systemd understands."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
FILES = {
    "usr/bin/vireo": 0o755,
    "usr/sbin/vireod": 0o755,
    "lib/systemd/system/vireod.service": 0o644,
    "usr/share/bash-completion/completions/vireo": 0o644,
    "usr/share/man/man1/vireo.1.gz": 0o644,
    "usr/share/man/man5/vireo.conf.5.gz": 0o644,
    "usr/share/man/man7/vireo-flow.7.gz": 0o644,
    "usr/share/man/man8/vireod.8.gz": 0o644,
    "usr/share/doc/vireo/copyright": 0o644,
    "usr/share/doc/vireo/changelog.gz": 0o644,
}
UNIT = ["Type=notify", "FileDescriptorStoreMax=65536", "Restart=always", "RestartSec=0",
        "StartLimitIntervalSec=0", "KillMode=mixed", "RuntimeDirectory=vireo",
        "RuntimeDirectoryPreserve=restart"]


def output(*argv, **options):
    done = subprocess.run([str(a) for a in argv], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **options)
    if done.returncode:
        raise AssertionError(f"{argv}: status {done.returncode}: {done.stdout}")
    return done.stdout


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="vireo-package-"))
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        cls.deb = output(TOP / "tools/package", cls.dir / "build",
                         env=dict(os.environ, DEB_BUILD_OPTIONS="noopt")).split()[-1]
        cls.root = cls.dir / "root"
        output("dpkg-deb", "--extract", cls.deb, cls.root)
        cls.unit = cls.root / "lib/systemd/system/vireod.service"

    def test_files(self):
        there = {str(p.relative_to(self.root)): p.stat().st_mode & 0o7777
                 for p in self.root.rglob("*") if not p.is_dir()}
        self.assertEqual(there, FILES)

    def test_control(self):
        depends = output("dpkg-deb", "--field", self.deb, "Depends")
        for library in ("libevent-core", "liburcu", "libjansson", "libpcap", "libncurses", "libseccomp", "adduser"):
            self.assertIn(library, depends)
        scripts = output("dpkg-deb", "--ctrl-tarfile", self.deb, errors="replace")
        self.assertIn("vireo upgrade --keeper", scripts)

    def test_programs(self):
        version = output("dpkg-deb", "--field", self.deb, "Version").strip()
        for program in ("usr/bin/vireo", "usr/sbin/vireod"):
            self.assertIn(version, output(self.root / program, "--version"))

    def test_completion(self):
        script = (f"PATH={self.root}/usr/bin:$PATH; "
                  f"source {self.root}/usr/share/bash-completion/completions/vireo; "
                  "COMP_WORDS=(vireo up); COMP_CWORD=1; _vireo; echo ${COMPREPLY[@]}")
        self.assertEqual(output("bash", "-c", script).split(), ["upgrade"])

    def test_unit(self):
        lines = self.unit.read_text().splitlines()
        for line in UNIT:
            self.assertIn(line, lines)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "there is no systemd")
    def test_systemd_understands_it(self):
        copy = self.dir / "vireod.service"
        text = self.unit.read_text()
        copy.write_text(text.replace("=/usr/", f"={self.root}/usr/"))
        self.assertEqual(output("systemd-analyze", "verify", "--man=no", "--generators=no", copy), "")


if __name__ == "__main__":
    unittest.main()
