#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails when a source that stores to what outlives the process, or to what a guest sees, is not among
those stepped through, and when one does so by other means than base/store.h.

usage: test_sources.py SOURCE...    (those that are stepped through)

1. Whatever uses a store of base/store.h, also by a function of a header that does, must be stepped
   through, or be in NOT_STEPPED, with a reason.
2. So must whatever makes or maps shared memory, since it might store there.
3. What is stepped through stores atomically only to memory of the process's own, as OWN lists; any
   other store to shared memory that it may do is noticed when it is executed.

What outlives the process is also guarded while all other tests run: builds with AddressSanitizer map
it so that a store by other means than base/store.h, from whatever source, is a fault (CHECK_STORES).
"""
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
SRC = TOP / "src"

NOT_STEPPED = {
    r"cli/": "another program",
    r"virtio/(driver_|netdrv)": "the guest's side",
    r"virtio/sharedmem": "memory for the guest's side",
    r"vhost/frontend": "the front-end's side",
    r"datapath/(worker|fair|watch)": "statistics in the process's own memory",
    r"vhost/inflight": "maps regions, to which virtio/inflight_*.c store",
    r"virtio/(filemap|guestmem|inflight\.c)": "maps what others store to",
    r"base/keep(_map)?\.c": "makes memory that others store to",
    r"keeper/client": "maps the states of rings",
    r"flow/(plans|meter_take)|datapath/execute": "counts: single words, each of which means something by itself",
    r"switch/flows_(keep|meter|mod|port|restore|upcall)": "single words, each of which means something by itself",
    r"base/lifeline": "maps a word that the kernel alone changes",
}

OWN = {
    "virtio/ring.c": ["&ring->fault"],
    "state/mac.c": ["&t->locked", "port", "&t->n"],
    "port/tap.c": ["&tap->txqs[i].q.offloads"],
    "port/dummy.c": ["&d->txqs[i].q.offloads"],
    "port/pcap.c": ["&p->state", "&p->unflushed", "&p->flush_error"],
    "base/blame.c": ["&noted"],
}

STORES = {"SHARED_STORE", "SHARED_SWAP", "SHARED_OR"}
MAPS = re.compile(r"\b(MAP_SHARED|keep_memory|keep_old_memory|keep_map|filemap_open)\b")
ATOMIC = re.compile(r"__atomic_(?:store|exchange|compare_exchange|fetch_\w+|\w+_fetch)(?:_n)?\(([^,]+),")
MACRO = re.compile(r"^#define (\w+)\([^)]*\)((?:[^\n]*\\\n)*[^\n]*)", re.M)
INLINE = re.compile(r"^static (?:inline|ALWAYS_INLINE) [^;{]*?\b(\w+)\([^;{]*\)\n\{\n(.*?)^\}", re.M | re.S)


def code(path):
    """Without comments, in which anything may be named."""
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(), flags=re.S)


def uses(text, names):
    return any(re.search(rf"\b{name}\(", text) for name in names)


def storing_names():
    """Names of macros, and of functions of headers, that store: those of base/store.h, and what uses them."""
    found = {}
    for header in SRC.rglob("*.h"):
        for pattern in (MACRO, INLINE):
            found.update(pattern.findall(code(header)))
    names, before = set(STORES), 0
    while len(names) > before:
        before = len(names)
        names |= {name for name, body in found.items() if uses(body, names)}
    return names


def main():
    stepped = {pathlib.Path(name).resolve() for name in sys.argv[1:]}
    names, complaints, n_storing = storing_names(), [], 0
    for path in sorted(SRC.rglob("*.c")):
        name, text = str(path.relative_to(SRC)), code(path)
        stores = uses(text, names)
        n_storing += stores
        if path in stepped:
            complaints += [f"src/{name}: stores to {target}: use base/store.h, or say in {__file__} that it "
                           "is the process's own" for target in ATOMIC.findall(text)
                           if target.strip() not in OWN.get(name, [])]
        elif (stores or MAPS.search(text)) and not any(re.match(p, name) for p in NOT_STEPPED):
            complaints.append(f"src/{name} stores to shared memory, or makes some: add it to "
                              "tests/crash/meson.build")
    for complaint in complaints:
        print(complaint)
    sys.exit(1 if complaints or not n_storing else 0)


main()
