# SPDX-License-Identifier: Apache-2.0
"""The README's tables, from doc/benchmarks.md: the same without the columns that explain them."""
import re

COLUMNS = 6  # of the first table
LEFT_OUT = re.compile(r"segmented by the switch|\d workers")


def table(text, first):
    """The lines of the table whose first column's head is @first, and where they are in the text."""
    found = re.search(rf"^\| {first} .*\n(?:\|.*\n)+", text, re.M)
    return found.group(0).splitlines(), found.start(), found.end()


def shorten(line):
    cells = [c.strip() for c in line.strip("|").split("|")][:COLUMNS]
    if set(cells[0]) == {"-"}:
        cells = ["---", *["---:"] * (COLUMNS - 1)]
    return "| " + " | ".join(cells) + " |"


def update(readme, benchmarks):
    """Returns the README with the figures of benchmarks.md."""
    for first in ("load", "switch", "rate"):
        lines = table(benchmarks, first)[0]
        if first == "load":
            lines = [shorten(line) for line in lines if not LEFT_OUT.search(line)]
        _, start, end = table(readme, first)
        readme = readme[:start] + "\n".join(lines) + "\n" + readme[end:]
    date = re.search(r"Measured on (\S+),", benchmarks).group(1)
    return re.sub(r"Measured on [\d-]+,", f"Measured on {date},", readme)
