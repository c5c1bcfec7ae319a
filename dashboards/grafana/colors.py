"""Colors by what they mean: the hues of Okabe and Ito (2008), as the service's pages have them."""

from grokwatch.monitor.vocabulary import AlertCode, Stage

GREY = "#8b949e"
BLUE = "#0072b2"
SKY = "#56b4e9"
GREEN = "#009e73"
ORANGE = "#e69f00"
VERMILLION = "#d55e00"
PURPLE = "#cc79a7"
NEUTRAL = "text"
"""Grafana's own name for the color of words, which either theme can show."""

TRAIN = GREY
TEST = BLUE
STAGES = {
    Stage.FITTING: GREY,
    Stage.PLATEAU: ORANGE,
    Stage.CIRCUIT_FORMATION: SKY,
    Stage.CLEANUP: BLUE,
    Stage.GENERALIZED: GREEN,
}
CODES = {
    AlertCode.LIKELY_GROKKING: BLUE,
    AlertCode.WILL_NOT_GROK: VERMILLION,
    AlertCode.COLLAPSE: PURPLE,
    AlertCode.NUMERICALLY_STUCK: ORANGE,
}
ON_ANY_GROUND = {BLUE: "blue"}
"""A color that is dim as words on dark -> Grafana's own, which is lighter there than on light."""

EVERY = (GREY, BLUE, SKY, GREEN, ORANGE, VERMILLION, PURPLE)


def of_words(color: str) -> str:
    """Find the color that words have in place of a line's.

    Example:
        >>> of_words(BLUE), of_words(GREEN)
        ('blue', '#009e73')
    """
    return ON_ANY_GROUND.get(color, color)
