"""Notices to clients. The rules for migrations are in script.py.mako.

`forwards` becomes `notices`. What waits in it is not carried over: its bodies are sealed for that table, keys
are not at hand here, and no version with it was ever released.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notices",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column(
            "event", sa.String(length=40), nullable=False, comment="webhook-id, the same over every attempt"
        ),
        sa.Column("event_type", sa.String(length=30), nullable=False),
        sa.Column("client", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("person", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "sequence", sa.Integer(), nullable=False, comment="its place among those about this person"
        ),
        sa.Column("case_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("evidence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("way", sa.String(length=8), nullable=False),
        sa.Column("body_enc", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("tries", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("code", sa.String(length=40), server_default="", nullable=False),
        sa.Column("lease", sa.String(length=32), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "event_type IN ('optout.created', 'optout.lifted', 'rights_request.forwarded')",
            name=op.f("ck_notices_event_type_known"),
        ),
        sa.CheckConstraint(
            "state IN ('ready', 'in_hand', 'sent', 'failed')", name=op.f("ck_notices_state_known")
        ),
        sa.CheckConstraint("way IN ('webhook', 'mail', 'digest')", name=op.f("ck_notices_way_known")),
        sa.CheckConstraint("(case_id IS NULL) <> (evidence IS NULL)", name=op.f("ck_notices_one_cause")),
        sa.CheckConstraint(
            "body_enc IS NOT NULL OR settled_at IS NOT NULL", name=op.f("ck_notices_body_until_settled")
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f("fk_notices_case_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["client"], ["clients.id"], name=op.f("fk_notices_client"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["evidence"], ["evidence.id"], name=op.f("fk_notices_evidence"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person"], ["people.id"], name=op.f("fk_notices_person"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint("client", "person", "sequence", name=op.f("uq_notices_client_person_sequence")),
        sa.UniqueConstraint("event", name=op.f("uq_notices_event")),
    )
    with op.batch_alter_table("notices", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_notices_case_id"), ["case_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_notices_evidence"), ["evidence"], unique=False)
        batch_op.create_index(
            "ix_notices_open",
            ["id"],
            unique=False,
            sqlite_where=sa.text("state IN ('ready', 'in_hand')"),
            postgresql_where=sa.text("state IN ('ready', 'in_hand')"),
        )
        batch_op.create_index(batch_op.f("ix_notices_person"), ["person"], unique=False)
        batch_op.create_index("ix_notices_client_state", ["client", "state"], unique=False)

    with op.batch_alter_table("forwards", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_forwards_state_ready_at"))

    op.drop_table("forwards")
    with op.batch_alter_table("clients", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "webhook_old_secrets_enc",
                sa.LargeBinary(),
                nullable=True,
                comment="those replaced, each with its last moment",
            )
        )
        batch_op.add_column(
            sa.Column(
                "webhook_gone_at",
                sa.DateTime(timezone=True),
                nullable=True,
                comment="it answered 410: nothing is posted there any more",
            )
        )
        batch_op.add_column(
            sa.Column(
                "webhook_failures", sa.SmallInteger(), server_default="0", nullable=False, comment="in a row"
            )
        )
        batch_op.add_column(sa.Column("webhook_rests_until", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(
            sa.Column(
                "digested_at",
                sa.DateTime(timezone=True),
                nullable=True,
                comment="when it last got its daily mail",
            )
        )

    with op.batch_alter_table("opt_outs", schema=None) as batch_op:
        batch_op.create_index("ix_opt_outs_client_id", ["client", "id"], unique=False)
