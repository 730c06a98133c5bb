"""Evidence is chained. The rules for migrations are in script.py.mako."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "acts",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("act", sa.String(length=20), nullable=False, comment="ledger.audit.Deed"),
        sa.Column(
            "staff",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="staff.id; none: the command line or the house itself",
        ),
        sa.Column(
            "conversation",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="conversations.id, which may be gone",
        ),
        sa.Column(
            "detail", sa.Text(), server_default="", nullable=False, comment="never a number, text or name"
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acts")),
    )
    with op.batch_alter_table("acts", schema=None) as batch_op:
        batch_op.create_index(
            "ix_acts_unsealed",
            ["id"],
            unique=False,
            sqlite_where=sa.text("seq IS NULL"),
            postgresql_where=sa.text("seq IS NULL"),
        )

    op.create_table(
        "seals",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="given by the one sealer, no gaps",
        ),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "version", sa.SmallInteger(), nullable=False, comment="which columns entered, see ledger.audit"
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, comment="the row's own moment"),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("link", sa.LargeBinary(length=32), nullable=False),
        sa.CheckConstraint("kind IN ('evidence', 'acts', 'tellings')", name=op.f("ck_seals_kind_known")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_seals")),
        sa.UniqueConstraint("kind", "row_id", name=op.f("uq_seals_kind_row_id")),
    )
    op.create_table(
        "tellings",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("evidence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "client",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="clients.id, which may be gone",
        ),
        sa.Column(
            "event", sa.String(length=60), nullable=False, comment="webhook-id, the same over every attempt"
        ),
        sa.Column("status", sa.String(length=20), nullable=False, comment="how this attempt ended"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.ForeignKeyConstraint(["evidence"], ["evidence.id"], name=op.f("fk_tellings_evidence")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tellings")),
    )
    with op.batch_alter_table("tellings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_tellings_evidence"), ["evidence"], unique=False)
        batch_op.create_index(
            "ix_tellings_unsealed",
            ["id"],
            unique=False,
            sqlite_where=sa.text("seq IS NULL"),
            postgresql_where=sa.text("seq IS NULL"),
        )

    with op.batch_alter_table("evidence", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "form",
                sa.SmallInteger(),
                server_default="0",
                nullable=False,
                comment="0: text_digest is keyed with a number key; 1: digests are commitments of domain.chain",
            )
        )
        batch_op.add_column(sa.Column("medium", sa.String(length=12), server_default="", nullable=False))
        batch_op.add_column(
            sa.Column(
                "subject_digest",
                sa.LargeBinary(length=32),
                nullable=True,
                comment="commitment to what subject_enc holds",
            )
        )
        batch_op.add_column(
            sa.Column(
                "subject_enc", sa.LargeBinary(), nullable=True, comment="salt, person, ours, provider_id"
            )
        )
        batch_op.add_column(
            sa.Column(
                "confirmed",
                sa.String(length=64),
                server_default="",
                nullable=False,
                comment="reply key and language",
            )
        )
        batch_op.add_column(
            sa.Column(
                "receipt",
                sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
                nullable=True,
                comment="outbox.id of the confirmation; stays when that row goes",
            )
        )
        batch_op.add_column(
            sa.Column(
                "receipt_digest",
                sa.LargeBinary(length=32),
                nullable=True,
                comment="SHA-256 of its text, which names no person",
            )
        )
        batch_op.add_column(
            sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True)
        )
        batch_op.alter_column(
            "clients",
            existing_type=sa.VARCHAR(length=400),
            server_default="",
            type_=sa.Text(),
            existing_nullable=False,
        )
        batch_op.create_index(
            "ix_evidence_unsealed",
            ["id"],
            unique=False,
            sqlite_where=sa.text("seq IS NULL"),
            postgresql_where=sa.text("seq IS NULL"),
        )
