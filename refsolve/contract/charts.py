"""The one chart of a certificate, written as SVG so that no plotting library is needed."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from refsolve.contract.certificate import PathRow

COLOURS = {"reference": "#0072B2", "defensible": "#009E73", "wrong": "#D55E00", "null": "#777777"}
ROW, LEFT, WIDTH, TOP = 22, 330, 420, 58


def pass_rate_chart(title: str, rows: Sequence[PathRow]) -> str:
    """Pass rate with interval of the reference, every single deviation, and the null answer.

    Parameters
    ----------
    title
        Name of the problem.
    rows
        Paths; those of more than one deviation are left to the table.

    Returns
    -------
    An SVG document.
    """
    shown = [row for row in rows if "," not in row.path]
    height = TOP + ROW * len(shown) + 46
    marks = "".join(_row(row, TOP + ROW * i) for i, row in enumerate(shown))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 60}" height="{height}" '
        f'font-family="Helvetica, Arial, sans-serif" font-size="12" role="img">'
        f"<title>Pass rates of {escape(title)}</title>"
        f'<rect width="100%" height="100%" fill="white"/>'
        f'<text x="12" y="22" font-size="15" font-weight="bold">'
        f"{escape(title)}: pass rate per path</text>"
    )
    return head + _legend() + _axis(TOP + ROW * len(shown)) + marks + "</svg>\n"


def _legend() -> str:
    parts, x = [], 12
    for kind, colour in COLOURS.items():
        parts.append(f'<circle cx="{x + 4}" cy="38" r="4" fill="{colour}"/>')
        parts.append(f'<text x="{x + 13}" y="42">{kind}</text>')
        x += 100
    return "".join(parts)


def _axis(y: int) -> str:
    parts = []
    for percent in (0, 5, 25, 50, 75, 95, 100):
        x = LEFT + WIDTH * percent / 100
        dash = "" if percent in (0, 100) else ' stroke-dasharray="2 3"'
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{y}" stroke="#ccc"{dash}/>'
        )
        parts.append(
            f'<text x="{x:.1f}" y="{y + 16}" text-anchor="middle" fill="#444">{percent}</text>'
        )
    middle = LEFT + WIDTH / 2
    caption = "% of cases passed (95 % interval)"
    parts.append(f'<text x="{middle}" y="{y + 34}" text-anchor="middle">{caption}</text>')
    return "".join(parts)


def _row(row: PathRow, y: int) -> str:
    colour = COLOURS[row.kind]
    label = escape(row.path or "reference")
    low, mid, high = (LEFT + WIDTH * v for v in (row.low, row.rate, row.high))
    return (
        f'<text x="{LEFT - 12}" y="{y + 8}" text-anchor="end">{label}</text>'
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y + 4}" y2="{y + 4}" '
        f'stroke="{colour}" stroke-width="3"/>'
        f'<circle cx="{mid:.1f}" cy="{y + 4}" r="5" fill="{colour}"/>'
    )
