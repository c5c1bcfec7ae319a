"""The tables. Whoever changes one adds a migration in `versions/`; a test compares the two.

Records, assessments, states and notices are MessagePack, where every float keeps its bits; what is
searched or shown in lists stands in columns beside them, non-finite floats as NULL.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

RUN_ID_LENGTH = 128

metadata = MetaData()

_number = BigInteger().with_variant(Integer, "sqlite")


def _run_id(*, is_key: bool = True) -> "Column[str]":
    return Column(
        "run_id",
        String(RUN_ID_LENGTH),
        ForeignKey("runs.run_id", ondelete="CASCADE"),
        primary_key=is_key,
        nullable=False,
    )


runs = Table(
    "runs",
    metadata,
    Column("run_id", String(RUN_ID_LENGTH), primary_key=True),
    Column("name", Text, nullable=False, server_default=""),
    Column("source", Text, nullable=False),
    Column("grouping", Text),
    Column("attempt", Integer, nullable=False, server_default="1"),
    Column("newest_seq", BigInteger, nullable=False, server_default="0"),
    Column("status", String(16), nullable=False, server_default="running"),
    Column("message", Text, nullable=False, server_default=""),
    Column("stage", String(32)),
    Column("probability", Double),
    Column("rise_probability", Double),
    Column("eta_low", BigInteger),
    Column("eta_high", BigInteger),
    Column("reason", Text),
    Column("step", BigInteger),
    Column("train_loss", Double),
    Column("train_accuracy", Double),
    Column("test_accuracy", Double),
    Column("budget_steps", BigInteger),
    Column("started", Double, nullable=False),
    Column("seen", Double, nullable=False),
    Column("num_observations", BigInteger, nullable=False, server_default="0"),
    Column("num_late", BigInteger, nullable=False, server_default="0"),
    Column("revision", BigInteger, nullable=False, server_default="0"),
    Column("link", Text),
    Column("beginning", LargeBinary),
    Column("judged_attempt", Integer, nullable=False, server_default="0"),
    Column("judged_seq", BigInteger, nullable=False, server_default="0"),
    Column("keys", LargeBinary),
    Column("firing", Text, nullable=False, server_default=""),
    Index("runs_by_seen", "seen"),
    Index("runs_by_revision", "revision"),
)

records = Table(
    "records",
    metadata,
    _run_id(),
    Column("attempt", Integer, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("step", BigInteger),
    Column("place", String(8), nullable=False),
    Column("after_seq", BigInteger),
    Column("payload", LargeBinary, nullable=False),
    Index("records_by_step", "run_id", "kind", "step"),
    Index("records_unjudged", "place", "run_id"),
)
"""`place`: `judged`, `late`, or not judged yet: `held` after a gap, `waiting` for its judge."""

assessments = Table(
    "assessments",
    metadata,
    _run_id(),
    Column("attempt", Integer, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("step", BigInteger, nullable=False),
    Column("probability", Double),
    Column("rise_probability", Double),
    Column("payload", LargeBinary, nullable=False),
    Index("assessments_by_step", "run_id", "step"),
)
"""`seq` is that of the observation behind it."""

states = Table(
    "states",
    metadata,
    _run_id(),
    Column("attempt", Integer, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
)
"""A judge after the record (attempt, seq)."""

alerts = Table(
    "alerts",
    metadata,
    Column("id", String(64), primary_key=True),
    _run_id(is_key=False),
    Column("code", String(8), nullable=False),
    Column("episode", Integer, nullable=False),
    Column("severity", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("time", Double, nullable=False),
    Column("created", Double, nullable=False),
    Column("spared", Boolean, nullable=False),
    Column("message", Text, nullable=False),
    Column("probability", Double),
    Index("alerts_by_run", "run_id"),
    Index("alerts_by_created", "created"),
)

notices = Table(
    "notices",
    metadata,
    Column("alert_id", ForeignKey("alerts.id", ondelete="CASCADE"), primary_key=True),
    Column("state", String(16), primary_key=True),
    Column("step", BigInteger, nullable=False),
    Column("created", Double, nullable=False),
    Column("payload", LargeBinary, nullable=False),
)
"""What hooks are told of each state that an alert has been in."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", _number, primary_key=True, autoincrement=True),
    Column("alert_id", ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
    Column("state", String(16), nullable=False),
    Column("hook", Text, nullable=False),
    Column("status", String(12), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("created", Double, nullable=False),
    Column("due", Double, nullable=False),
    Column("claimed_until", Double, nullable=False, server_default="0"),
    Column("first_sent", Double),
    Column("delivered", Double),
    Column("error", Text),
    Index("deliveries_by_alert", "alert_id", "state", "hook", unique=True),
    Index("deliveries_by_due", "status", "hook", "due"),
)

leases = Table(
    "leases",
    metadata,
    _run_id(),
    Column("holder", String(64), nullable=False),
    Column("until", Double, nullable=False),
)

source_memories = Table(
    "source_memories",
    metadata,
    Column("source", String(256), primary_key=True),
    Column("run_id", String(RUN_ID_LENGTH), primary_key=True),
    Column("memory", LargeBinary, nullable=False),
)
"""How far a source was read, committed with what was read."""
