# SPDX-License-Identifier: Apache-2.0
"""The comparison as a picture (SVG): packets a second of each load, Open vSwitch's are 1."""
from xml.sax.saxutils import escape

COLOURS = {"testpmd": "#9aa5b1", "ovs": "#d98e4a", "vireo": "#2b7a5b"}
BAR, GAP, LEFT, SCALE = 11, 12, 190, 150  # pixels; SCALE: of 1


def draw(rows, switches, names):
    """Of the rows that compare packets a second with Open vSwitch's, on one core."""
    shown = [r for r in rows
             if r.load.unit == "Mpps" and r.load.workers == 1 and r.value.get("ovs")]
    longest = max((v / r.value["ovs"] for r in shown for v in r.value.values()), default=1)
    width = int(LEFT + SCALE * longest + 60)
    body, y = [], 30
    for i, n in enumerate(names):
        body.append(f'<rect x="{LEFT + 130 * i}" y="8" width="{BAR}" height="{BAR}" '
                    f'fill="{COLOURS[n]}"/><text x="{LEFT + 130 * i + 16}" y="17">'
                    f'{escape(switches[n].name)}</text>')
    for row in shown:
        body.append(f'<text x="{LEFT - 8}" y="{y + BAR * len(names) / 2 + 4}" '
                    f'text-anchor="end">{escape(row.load.name)}</text>')
        for n in names:
            if n not in row.value:
                continue
            length = SCALE * row.value[n] / row.value["ovs"]
            body.append(f'<rect x="{LEFT}" y="{y}" width="{length:.0f}" height="{BAR - 1}" '
                        f'fill="{COLOURS[n]}"/><text x="{LEFT + length + 5:.0f}" '
                        f'y="{y + 9}">{row.value[n]:.1f}</text>')
            y += BAR
        y += GAP
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" '
            f'font-family="sans-serif" font-size="11" fill="#334">\n'
            f'<rect width="{width}" height="{y}" fill="#ffffff"/>\n' + "\n".join(body)
            + f'\n<line x1="{LEFT + SCALE}" y1="26" x2="{LEFT + SCALE}" y2="{y - GAP}" '
            'stroke="#d98e4a" stroke-dasharray="3 3"/>\n</svg>\n')
