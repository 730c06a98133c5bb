"""Since when a client's webhook fails. The rules for migrations are in script.py.mako.

Of one that fails already it is taken from the oldest notice that waits for it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("clients", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "webhook_failing_since",
                sa.DateTime(timezone=True),
                nullable=True,
                comment="the first of the failures in a row",
            )
        )

    op.execute(
        "UPDATE clients SET webhook_failing_since = (SELECT min(created_at) FROM notices WHERE client = clients.id"
        " AND way = 'webhook' AND state IN ('ready', 'in_hand')) WHERE webhook_failures > 0"
    )
