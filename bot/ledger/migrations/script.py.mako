## Rules for whoever writes a migration:
## - Write it with `python -m bot.ledger.migrate "what it changes"` and read what came out: a rename comes out
##   as a drop and an add, and a CHECK that changed does not come out at all.
## - Once released it is never edited; a mistake is mended by the next one.
## - It runs on SQLite and PostgreSQL, in one transaction with all the others that are due. Change a table only
##   within `op.batch_alter_table`. Foreign keys are off on SQLite meanwhile, or writing a table anew would
##   empty those that refer to it.
## - It imports nothing of ours and names its types and constraints: our code of tomorrow must not change it.
## - A new column is nullable or has a server default: rows are there, and the processes of the version before
##   still write while it runs. What they read is dropped one release later.
## - No number, text or name is read, sealed or logged here: keys are not at hand. Data is moved by a command.
## - There is no way back but the next migration: no `downgrade`.
"""${message}. The rules for migrations are in script.py.mako."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
