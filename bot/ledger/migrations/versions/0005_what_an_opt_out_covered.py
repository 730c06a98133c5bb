"""What an opt-out covered stands in its evidence. The rules for migrations are in script.py.mako."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("evidence", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "covers",
                sa.String(length=10),
                server_default="",
                nullable=False,
                comment="which classes it stopped",
            )
        )
