"""Made-up runs of every kind that the pages show."""

from grokwatch.monitor.vocabulary import Stage
from tests.page_alerts import alert, delivery
from tests.page_stories import NOW, Story, story, unseen


def life_like() -> tuple[Story, ...]:
    """Runs of every kind."""
    dead = delivery(
        4,
        "dead",
        attempts=17,
        error="HookError: the receiver answered 500 Internal Server Error for three days",
        hook="apprise:slack://...",
    )
    waits = delivery(5, "pending", attempts=3, error="no connection to hooks.example.org:443")
    return (
        story(
            "addition-seed-2",
            last=2_600,
            rises=4_000,
            chance=0.97,
            stage=Stage.CIRCUIT_FORMATION,
            alerts=(
                alert(
                    "addition-seed-2",
                    "GRK001",
                    step=1_660,
                    message="addition-seed-2: likely to generalise if training goes on, with a "
                    "chance of a rise of 92 % within 13,800 steps",
                    deliveries=(delivery(1), delivery(2, hook="apprise:slack://...")),
                ),
            ),
            link="https://mlflow.example.org/#/experiments/1/runs/2f9c",
        ),
        story(
            "division-seed-0",
            last=14_000,
            rises=3_600,
            chance=0.99,
            stage=Stage.GENERALIZED,
            group="division mod 97",
            status="finished",
            seen=NOW - 4_000,
            alerts=(
                alert(
                    "division-seed-0",
                    "GRK001",
                    number=62,
                    state="confirmed",
                    step=1_400,
                    deliveries=(
                        delivery(3),
                        delivery(6, state="confirmed"),
                    ),
                ),
            ),
        ),
        story(
            "parity-40-3-small-decay",
            last=24_000,
            chance=0.02,
            group="sparse parity",
            seen=NOW - 75,
            alerts=(
                alert(
                    "parity-40-3-small-decay",
                    "GRK002",
                    number=9,
                    severity="warning",
                    step=19_500,
                    probability=0.02,
                    spared=True,
                    deliveries=(dead, waits),
                ),
            ),
        ),
        story("addition-no-decay", last=9_000, chance=0.31, seen=NOW - 21),
        story(
            "random-labels-control",
            last=16_000,
            chance=0.04,
            group="controls",
            status="interrupted",
            seen=NOW - 90_000,
        ),
        story(
            "division-lr-0.03",
            last=21_000,
            rises=2_000,
            chance=0.2,
            group="division mod 97",
            test_accuracy=0.62,
            seen=NOW - 140,
            alerts=(
                alert(
                    "division-lr-0.03",
                    "GRK003",
                    number=4,
                    severity="critical",
                    step=18_200,
                    probability=None,
                    message="division-lr-0.03: test accuracy fell by 34 % from its best",
                    deliveries=(delivery(7),),
                ),
            ),
        ),
        story(
            "s5-float16",
            last=7_000,
            chance=0.12,
            group="S5 composition",
            alerts=(
                alert(
                    "s5-float16",
                    "GRK004",
                    number=14,
                    severity="warning",
                    step=6_400,
                    probability=0.12,
                    message="s5-float16: the softmax has saturated in float16. Try float32 for the "
                    "loss, or StableMax",
                ),
            ),
        ),
        story("image-classifier", last=3_000, chance=None, group="vision", budget_steps=None),
        story("multiplication-seed-1", last=60, chance=None, stage=Stage.FITTING, seen=NOW - 2),
        unseen("queued-seed-3"),
    )
