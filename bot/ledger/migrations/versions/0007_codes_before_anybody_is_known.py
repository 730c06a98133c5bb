"""Codes that wait to be sent, to numbers nobody is known by yet. The rules for migrations are in script.py.mako."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("codes", schema=None) as batch_op:
        batch_op.alter_column(
            "person",
            existing_type=_ID,
            nullable=True,
            comment="who asked; none: nobody is known before the code comes back",
        )
        batch_op.add_column(
            sa.Column(
                "about_enc",
                sa.LargeBinary(),
                nullable=True,
                comment="what it shows and what was wanted; until it is sent, the code",
            )
        )
        batch_op.add_column(
            sa.Column(
                "ready_at",
                sa.DateTime(timezone=True),
                nullable=True,
                comment="when it may be sent, or tried again; none: it is not to be sent",
            )
        )
        batch_op.create_index(
            "ix_codes_unsent",
            ["ready_at"],
            unique=False,
            sqlite_where=sa.text("ready_at IS NOT NULL"),
            postgresql_where=sa.text("ready_at IS NOT NULL"),
        )
