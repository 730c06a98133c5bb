"""Clients' own accounts at providers. The rules for migrations are in script.py.mako."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "client_accounts",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("client", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("provider", sa.String(length=16), nullable=False),
        sa.Column("token_enc", sa.LargeBinary(), nullable=False),
        sa.Column(
            "state",
            sa.String(length=8),
            nullable=False,
            comment="refused: the token is not taken, an operator must look",
        ),
        sa.Column(
            "code", sa.String(length=40), server_default="", nullable=False, comment="how it failed last"
        ),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "checked_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when it answered as it should last",
        ),
        sa.Column("rests_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "polled_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when its opt-outs were last asked for",
        ),
        sa.Column(
            "compared_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when its blacklist was last held beside our opt-outs",
        ),
        sa.Column(
            "opt_outs_off_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the provider says that it has no list of opt-outs",
        ),
        sa.CheckConstraint("provider IN ('smsapi')", name=op.f("ck_client_accounts_provider_known")),
        sa.CheckConstraint("state IN ('ready', 'refused')", name=op.f("ck_client_accounts_state_known")),
        sa.ForeignKeyConstraint(
            ["client"], ["clients.id"], name=op.f("fk_client_accounts_client"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_client_accounts")),
        sa.UniqueConstraint("client", "provider", name=op.f("uq_client_accounts_client_provider")),
    )
    op.create_table(
        "blacklisted",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("account", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("person", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "state",
            sa.String(length=8),
            nullable=False,
            comment="due: to be held against what stands, and mended",
        ),
        sa.Column(
            "turn",
            sa.Integer(),
            nullable=False,
            comment="how often it became due; one that came meanwhile counts",
        ),
        sa.Column(
            "entry",
            sa.String(length=64),
            nullable=True,
            comment="the provider's id of the entry we made; none: none of ours is there",
        ),
        sa.Column(
            "asked_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="an entry was asked for then, its id is not known yet",
        ),
        sa.Column("tries", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("code", sa.String(length=40), server_default="", nullable=False),
        sa.Column("lease", sa.String(length=32), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('due', 'settled', 'failed')", name=op.f("ck_blacklisted_state_known")),
        sa.ForeignKeyConstraint(
            ["account"], ["client_accounts.id"], name=op.f("fk_blacklisted_account"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person"], ["people.id"], name=op.f("fk_blacklisted_person"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blacklisted")),
        sa.UniqueConstraint("account", "person", name=op.f("uq_blacklisted_account_person")),
    )
    with op.batch_alter_table("blacklisted", schema=None) as batch_op:
        batch_op.create_index(
            "ix_blacklisted_due",
            ["ready_at"],
            unique=False,
            sqlite_where=sa.text("state = 'due'"),
            postgresql_where=sa.text("state = 'due'"),
        )
        batch_op.create_index(batch_op.f("ix_blacklisted_person"), ["person"], unique=False)

    op.create_table(
        "listed_opt_outs",
        sa.Column("account", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "entry", sa.String(length=64), nullable=False, comment="the provider's id: each is taken in once"
        ),
        sa.ForeignKeyConstraint(
            ["account"], ["client_accounts.id"], name=op.f("fk_listed_opt_outs_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account", "entry", name=op.f("pk_listed_opt_outs")),
    )
