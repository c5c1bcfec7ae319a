"""Bars beside numbers: inline SVG that takes its colors from the style sheet."""

import math

from markupsafe import Markup


def bar(probability: float | None) -> Markup:
    """Draw a probability as the filled share of a bar.

    Example:
        >>> 'width="43"' in bar(0.43)
        True
    """
    if probability is None or not math.isfinite(probability):
        return Markup("")
    share = round(100 * min(max(probability, 0.0), 1.0))
    return Markup(
        '<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="bar-rest" width="100" height="6"/>'
        '<rect class="bar-share" width="{share}" height="6"/></svg>'
    ).format(share=share)


def balance(contribution: float, largest: float) -> Markup:
    """Draw how much something speaks for (to the right) or against (to the left).

    Example:
        >>> 'class="against" x="25" width="25"' in balance(-1.0, 2.0)
        True
    """
    is_drawn = math.isfinite(contribution) and largest > 0 and math.isfinite(largest)
    share = min(abs(contribution) / largest, 1.0) if is_drawn else 0.0
    width = round(50 * share)
    side, x = ("for", 50) if contribution > 0 else ("against", 50 - width)
    return Markup(
        '<svg class="balance" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="{side}" x="{x}" width="{width}" height="10"/>'
        '<path class="middle" d="M50 0V10"/></svg>'
    ).format(side=side, x=x, width=width)
