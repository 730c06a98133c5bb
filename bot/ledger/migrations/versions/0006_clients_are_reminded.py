"""Clients acknowledge a case and are reminded of it; support extends or refuses one. The rules for migrations are in
script.py.mako.

When a client acknowledged moves from the notice to the case. The old column goes at once, since no version with it was
ever released.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("cases", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "forwarded_at",
                sa.DateTime(timezone=True),
                nullable=True,
                comment="when it was first put on its way to the client",
            )
        )
        batch_op.add_column(
            sa.Column(
                "reminded_at",
                sa.DateTime(timezone=True),
                nullable=True,
                comment="the client was asked again to acknowledge it",
            )
        )
        batch_op.add_column(
            sa.Column(
                "escalated_at",
                sa.DateTime(timezone=True),
                nullable=True,
                comment="support has it, since the client does not acknowledge it",
            )
        )
        batch_op.add_column(
            sa.Column(
                "acknowledged_at",
                sa.DateTime(timezone=True),
                nullable=True,
                comment="the client said that it has it",
            )
        )
        batch_op.add_column(
            sa.Column(
                "extended_at",
                sa.DateTime(timezone=True),
                nullable=True,
                comment="when the person was told that it takes longer",
            )
        )
        batch_op.add_column(
            sa.Column("is_refused", sa.Boolean(), server_default=sa.text("(false)"), nullable=False)
        )
        batch_op.add_column(
            sa.Column(
                "wants_word",
                sa.Boolean(),
                server_default=sa.text("(false)"),
                nullable=False,
                comment="the person asked to hear when the client acknowledges it",
            )
        )
        batch_op.create_index(
            "ix_cases_unacknowledged",
            ["id"],
            unique=False,
            sqlite_where=sa.text("state = 'forwarded' AND acknowledged_at IS NULL"),
            postgresql_where=sa.text("state = 'forwarded' AND acknowledged_at IS NULL"),
        )

    op.execute(
        "UPDATE cases SET forwarded_at = (SELECT min(created_at) FROM notices WHERE case_id = cases.id),"
        " acknowledged_at = (SELECT min(n.acknowledged_at) FROM notices AS n WHERE n.case_id = cases.id)"
    )

    with op.batch_alter_table("notices", schema=None) as batch_op:
        batch_op.drop_column("acknowledged_at")
        batch_op.drop_constraint(batch_op.f("ck_notices_event_type_known"), type_="check")
        batch_op.create_check_constraint(
            batch_op.f("ck_notices_event_type_known"),
            "event_type IN ('optout.created', 'optout.lifted', 'rights_request.forwarded',"
            " 'rights_request.reminder')",
        )
