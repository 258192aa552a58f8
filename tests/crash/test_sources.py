#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails when a source that stores to what a switch process shares is not among those stepped through.

usage: test_sources.py SOURCE...    (those that are)
"""
import pathlib
import re
import sys

STORE = re.compile(r"\b(shared_store\w*|SHARED_STORE|ring_state_stop)\(")
TOP = pathlib.Path(__file__).resolve().parent.parent.parent

stepped = {pathlib.Path(name).resolve() for name in sys.argv[1:]}
storing = {path for path in (TOP / "src").rglob("*.c") if STORE.search(path.read_text())
           and not path.name.startswith("driver_")}  # the guest's side
for path in sorted(storing - stepped):
    print(f"{path.relative_to(TOP)} stores to shared memory: add it to tests/crash/meson.build")
sys.exit(1 if storing - stepped or not storing else 0)
