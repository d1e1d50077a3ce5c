"""A drawn figure -> a self-contained SVG file."""

from html import escape

from evaluation.pages.charts import Figure
from modeling.visible import visible

COLOURS = ("#0b6e69", "#c2691d", "#6457a6", "#6a6860")
"""Colours of the curves, as on the pages; each has a contrast of at least 3 to 1 against white."""


def svg_of(figure: Figure) -> str:
    """Return the figure with its title and legend as an SVG text."""
    top = 44
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 {-top} {figure.width} {figure.height + top}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect x="0" y="{-top}" width="{figure.width}" height="{figure.height + top}" fill="#ffffff"/>',
        f'<text x="{figure.left}" y="-26" font-size="14">{_text(figure.title)}</text>',
    ]
    for place, curve in enumerate(figure.curves):
        colour = COLOURS[place % len(COLOURS)]
        parts.append(f'<text x="{figure.left + 150 * place}" y="-8" fill="{colour}">{_text(curve.name)}</text>')
    for tick in figure.y_ticks:
        line = f'x1="{figure.left}" x2="{figure.right}" y1="{tick.position}" y2="{tick.position}"'
        parts.append(f'<line {line} stroke="#e3e0d8"/>')
        parts.append(
            f'<text x="{figure.left - 6}" y="{tick.position + 3.5}" text-anchor="end">{_text(tick.label)}</text>'
        )
    for tick in figure.x_ticks:
        parts.append(
            f'<text x="{tick.position}" y="{figure.bottom + 16}" text-anchor="middle">{_text(tick.label)}</text>'
        )
    for place, curve in enumerate(figure.curves):
        colour = COLOURS[place % len(COLOURS)]
        parts.append(f'<polyline points="{curve.points}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
        parts += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in curve.dots]
    return "\n".join([*parts, "</svg>", ""])


def _text(text: str) -> str:
    """Return a text for XML, which allows no control characters."""
    return escape(visible(text))
