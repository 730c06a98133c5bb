"""A language may name its letters (uk-Latn). The rules for migrations are in script.py.mako."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("conversations", schema=None) as batch_op:
        batch_op.alter_column(
            "language",
            existing_type=sa.String(length=2),
            type_=sa.String(length=8),
            existing_nullable=True,
            comment="a tag of BCP 47, such as pl or uk-Latn",
        )

    with op.batch_alter_table("cases", schema=None) as batch_op:
        batch_op.alter_column(
            "language", existing_type=sa.String(length=2), type_=sa.String(length=8), existing_nullable=False
        )
