"""Draw every table once, for SQLite and PostgreSQL alike. Runs no query.

`…_enc` is sealed (AES-GCM), `…_key` is a keyed hash to find by, everything else is readable by whoever
holds the file, so no number, text or name may stand in it (invariant 14; tests scan the raw files).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeDecorator

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Moment(TypeDecorator[datetime]):
    """An aware UTC time. SQLite keeps no zone, so it is taken off and put back here."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only for INTEGER


def _id() -> Column[Any]:
    return Column("id", Id, primary_key=True, autoincrement=True)


def _at(name: str, *, nullable: bool = False, **more: Any) -> Column[Any]:
    return Column(name, Moment, nullable=nullable, **more)


def _seq() -> Column[Any]:
    """Where a row stands in the chain; none: not sealed yet. Not unique: that would make each sealing an
    update of a key, which waits for whoever refers to the row. `seals` is what is unique."""
    return Column("seq", Id)


def _unsealed(table: str) -> Index:
    """What the sealer looks for, however long the table gets."""
    where = text("seq IS NULL")
    return Index(f"ix_{table}_unsealed", "id", sqlite_where=where, postgresql_where=where)


def _one_of(column: str, *values: str) -> CheckConstraint:
    listed = ", ".join(f"'{v}'" for v in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


clients = Table(
    "clients",
    metadata,
    _id(),
    Column("client_id", String(64), nullable=False, unique=True, comment="the operator's own name for it"),
    Column("legal_name", String(200), nullable=False),
    Column("public_name", String(30), nullable=False, comment="GSM-7, goes into SMS"),
    Column("website", String(200), nullable=False, server_default=""),
    Column("privacy_url", String(300), nullable=False, server_default=""),
    Column("language", String(2), nullable=False, server_default="pl"),
    Column("is_sensitive", Boolean, nullable=False, server_default=text("false")),
    Column(
        "card_enc", LargeBinary, nullable=False, comment="privacy_email, phone, address, dpo, webhook_url"
    ),
    Column("webhook_secret_enc", LargeBinary),
    _at("changed_at"),
    Column("webhook_old_secrets_enc", LargeBinary, comment="those replaced, each with its last moment"),
    _at("webhook_gone_at", nullable=True, comment="it answered 410: nothing is posted there any more"),
    Column("webhook_failures", SmallInteger, nullable=False, server_default="0", comment="in a row"),
    _at("webhook_rests_until", nullable=True),
    _at("digested_at", nullable=True, comment="when it last got its daily mail"),
    _at("webhook_failing_since", nullable=True, comment="the first of the failures in a row"),
)

client_contacts = Table(
    "client_contacts",
    metadata,
    _id(),
    Column("client", ForeignKey("clients.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", String(8), nullable=False),
    Column("value_key", LargeBinary(32), nullable=False, index=True),
    Column("value_enc", LargeBinary, nullable=False),
    _one_of("kind", "phone", "email", "login"),
    UniqueConstraint("client", "kind", "value_key"),
)

senders = Table(
    "senders",
    metadata,
    _id(),
    Column("sender_key", String(40), nullable=False, comment="folded, see domain.numbers.sender_key"),
    Column("sender", String(40), nullable=False, comment="as registered"),
    Column("client", ForeignKey("clients.id", ondelete="CASCADE"), comment="none: a shared number"),
    Column("channel", String(12), nullable=False, server_default="sms"),
    _at("valid_from", nullable=True),
    _at("valid_to", nullable=True),
    Index("ix_senders_sender_key_client", "sender_key", "client"),
)

people = Table(
    "people",
    metadata,
    _id(),
    Column("number_key", LargeBinary(32), nullable=False, unique=True),
    Column("number_enc", LargeBinary, nullable=False),
    _at("holder_since", nullable=True, comment="the number changed hands then: nothing older is shown"),
)

templates = Table(
    "templates",
    metadata,
    _id(),
    Column("client", ForeignKey("clients.id", ondelete="CASCADE"), nullable=False),
    Column("text_mark", LargeBinary(16), nullable=False, comment="text with digits, links, names replaced"),
    _at("last_seen_at"),
    UniqueConstraint("client", "text_mark"),
    Index("ix_templates_text_mark", "text_mark"),
)

shingles = Table(
    "shingles",
    metadata,
    Column("template", ForeignKey("templates.id", ondelete="CASCADE"), primary_key=True),
    Column("mark", LargeBinary(16), primary_key=True, comment="five words in a row"),
    Index("ix_shingles_mark", "mark"),
)

sent = Table(
    "sent",
    metadata,
    _id(),
    Column("message_id", String(64), nullable=False, unique=True, comment="the provider's"),
    Column("client", ForeignKey("clients.id", ondelete="CASCADE"), nullable=False),
    Column("sender_key", String(40), nullable=False),
    Column("sender", String(40), nullable=False),
    Column("person", ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    Column("channel", String(12), nullable=False, server_default="sms"),
    Column("message_class", String(12), nullable=False, server_default=""),
    Column("template", ForeignKey("templates.id", ondelete="SET NULL"), index=True),
    _at("sent_at"),
    Index("ix_sent_person_sent_at", "person", "sent_at"),
    Index("ix_sent_sent_at", "sent_at"),
)

feeds = Table(
    "feeds",
    metadata,
    Column("name", String(40), primary_key=True),
    _at("heard_at", comment="when the feed last said anything, an empty list included"),
    _at("newest_sent_at", nullable=True),
)

conversations = Table(
    "conversations",
    metadata,
    _id(),
    Column("provider", String(16), nullable=False),
    Column("account", String(64), nullable=False),
    Column("medium", String(12), nullable=False),
    Column("address_key", LargeBinary(32), nullable=False, unique=True),
    Column("address_enc", LargeBinary, nullable=False, comment="person, ours"),
    Column("person", ForeignKey("people.id", ondelete="SET NULL"), index=True),
    Column("level", SmallInteger, nullable=False, server_default="0", comment="domain.conversation.Level"),
    _at("level_until", nullable=True),
    Column("language", String(8), comment="a tag of BCP 47, such as pl or uk-Latn"),
    Column("owner", String(8), nullable=False, server_default="bot"),
    Column("claimed_by", ForeignKey("staff.id")),
    Column("asked_enc", LargeBinary),
    Column("memory_enc", LargeBinary),
    Column("stop_waiting_enc", LargeBinary, comment="a STOP kept until a number is known"),
    _at("stop_waiting_until", nullable=True),
    _at("noticed_at", nullable=True, comment="when the short privacy notice was last given"),
    _at("platform_blocked_at", nullable=True),
    _at("limited_at", nullable=True, comment="when the one line about too many messages was said"),
    _at("waiting_since", nullable=True, comment="oldest message of the person that nobody answered"),
    _at("last_at"),
    Column("version", Integer, nullable=False, server_default="0"),
    _one_of("owner", "bot", "waiting", "human"),
    CheckConstraint("(owner = 'human') = (claimed_by IS NOT NULL)", name="human_is_somebody"),
    Index("ix_conversations_owner", "owner", "waiting_since"),
)

inbox = Table(
    "inbox",
    metadata,
    _id(),
    Column("provider", String(16), nullable=False),
    Column("account", String(64), nullable=False),
    Column("provider_id", String(80), nullable=False),
    Column("conversation", ForeignKey("conversations.id", ondelete="CASCADE")),
    Column("kind", String(16), nullable=False),
    Column("body_enc", LargeBinary, comment="text, answered_id, button, raw"),
    Column("wish_enc", LargeBinary, comment="what receive decided; none: a model must read it"),
    Column("state", String(10), nullable=False),
    Column("needs_reading", Boolean, nullable=False, server_default=text("false")),
    Column("is_late", Boolean, nullable=False, server_default=text("false")),
    Column("tries", SmallInteger, nullable=False, server_default="0"),
    Column("lease", String(32)),
    _at("lease_until", nullable=True),
    _at("ready_at"),
    _at("received_at"),
    _at("sent_at", nullable=True),
    _at("settled_at", nullable=True),
    UniqueConstraint("provider", "account", "provider_id"),
    _one_of("state", "new", "settled", "recorded", "poisoned"),
    Index(
        "ix_inbox_open",
        "conversation",
        "id",
        sqlite_where=text("state = 'new'"),
        postgresql_where=text("state = 'new'"),
    ),
    Index(
        "ix_inbox_unread",
        "id",
        sqlite_where=text("needs_reading"),
        postgresql_where=text("needs_reading"),
    ),
    Index("ix_inbox_conversation", "conversation", "id"),
)

outbox = Table(
    "outbox",
    metadata,
    _id(),
    Column("conversation", ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column(
        "cause", ForeignKey("inbox.id", ondelete="SET NULL"), index=True, comment="the message it answers"
    ),
    Column("kind", String(10), nullable=False),
    Column("once", String(80), unique=True, comment="what may be said once only"),
    Column("key", String(60), nullable=False, server_default="", comment="reply key, no argument in it"),
    Column("is_understood", Boolean, nullable=False, server_default=text("true")),
    Column("body_enc", LargeBinary, nullable=False, comment="text, buttons"),
    Column("state", String(10), nullable=False),
    Column("delivery", String(10)),
    Column("code", String(40), nullable=False, server_default="", comment="the provider's, of a failure"),
    Column("provider_id", String(80), index=True),
    Column("tries", SmallInteger, nullable=False, server_default="0"),
    Column("lease", String(32)),
    _at("lease_until", nullable=True),
    _at("ready_at"),
    _at("expires_at", nullable=True),
    _at("created_at"),
    _at("tried_at", nullable=True),
    _at("settled_at", nullable=True),
    _one_of("kind", "reply", "receipt", "code", "notice", "agent", "unprompted"),
    _one_of("state", "ready", "in_hand", "sent", "unknown", "failed", "cancelled", "expired"),
    Index(
        "ix_outbox_open",
        "conversation",
        "id",
        sqlite_where=text("state IN ('ready', 'in_hand', 'unknown')"),
        postgresql_where=text("state IN ('ready', 'in_hand', 'unknown')"),
    ),
    Index("ix_outbox_conversation_created_at", "conversation", "created_at"),
)

opt_outs = Table(
    "opt_outs",
    metadata,
    _id(),
    Column("person", ForeignKey("people.id"), nullable=False, index=True),
    Column("client", Id, nullable=False, comment="clients.id, or 0: every client"),
    Column("covers", String(10), nullable=False),
    Column("evidence", ForeignKey("evidence.id"), nullable=False, index=True),
    _at("since"),
    _at("lifted_at", nullable=True),
    Column("lifted_by", ForeignKey("evidence.id"), index=True),
    Index("ix_opt_outs_client_id", "client", "id"),
    _one_of("covers", "marketing", "all"),
    Index(
        "uq_opt_outs_standing",
        "person",
        "client",
        unique=True,
        sqlite_where=text("lifted_at IS NULL"),
        postgresql_where=text("lifted_at IS NULL"),
    ),
)

evidence = Table(
    "evidence",
    metadata,
    _id(),
    Column("act", String(16), nullable=False),
    Column("person", ForeignKey("people.id")),
    Column("conversation", ForeignKey("conversations.id", ondelete="SET NULL"), index=True),
    Column("cause", ForeignKey("inbox.id", ondelete="SET NULL"), index=True),
    Column("provider", String(16), nullable=False),
    Column("scope", String(10), nullable=False),
    Column("rule", String(80), nullable=False, comment="what recognised it; never a word of the text"),
    Column("span_from", SmallInteger, nullable=False, server_default="0"),
    Column("span_to", SmallInteger, nullable=False, server_default="0"),
    Column("matcher", String(20), nullable=False, server_default=""),
    Column("signature", String(10), nullable=False, comment="how the hook was verified"),
    Column("text_digest", LargeBinary(32), nullable=False, comment="by form, see there"),
    Column("text_key_enc", LargeBinary, comment="the row's own key, sealed; destroyed to erase the text"),
    Column("text_enc", LargeBinary),
    Column("clients", Text, nullable=False, server_default="", comment="row ids covered"),
    _at("received_at"),
    _at("effective_at"),
    Column(
        "form",
        SmallInteger,
        nullable=False,
        server_default="0",
        comment="0: text_digest is keyed with a number key; 1: digests are commitments of domain.chain",
    ),
    Column("medium", String(12), nullable=False, server_default=""),
    Column("subject_digest", LargeBinary(32), comment="commitment to what subject_enc holds"),
    Column("subject_enc", LargeBinary, comment="salt, person, ours, provider_id"),
    Column("confirmed", String(64), nullable=False, server_default="", comment="reply key and language"),
    Column("receipt", Id, comment="outbox.id of the confirmation; stays when that row goes"),
    Column("receipt_digest", LargeBinary(32), comment="SHA-256 of its text, which names no person"),
    _seq(),
    Column("covers", String(10), nullable=False, server_default="", comment="which classes it stopped"),
    _one_of("act", "stop", "start", "repeat", "platform_stop", "platform_start"),
    Index("ix_evidence_person", "person"),
    _unsealed("evidence"),
)

acts = Table(
    "acts",
    metadata,
    _id(),
    Column("act", String(20), nullable=False, comment="ledger.audit.Deed"),
    Column("staff", Id, comment="staff.id; none: the command line or the house itself"),
    Column("conversation", Id, comment="conversations.id, which may be gone"),
    Column("detail", Text, nullable=False, server_default="", comment="never a number, text or name"),
    _at("at"),
    _seq(),
    _unsealed("acts"),
)

tellings = Table(
    "tellings",
    metadata,
    _id(),
    Column("evidence", ForeignKey("evidence.id"), nullable=False, index=True),
    Column("client", Id, nullable=False, comment="clients.id, which may be gone"),
    Column("event", String(60), nullable=False, comment="webhook-id, the same over every attempt"),
    Column("status", String(20), nullable=False, comment="how this attempt ended"),
    _at("at"),
    _seq(),
    _unsealed("tellings"),
)

seals = Table(
    "seals",
    metadata,
    Column("seq", Id, primary_key=True, autoincrement=False, comment="given by the one sealer, no gaps"),
    Column("kind", String(10), nullable=False),
    Column("row_id", Id, nullable=False),
    Column("version", SmallInteger, nullable=False, comment="which columns entered, see ledger.audit"),
    _at("at", comment="the row's own moment"),
    Column("digest", LargeBinary(32), nullable=False),
    Column("link", LargeBinary(32), nullable=False),
    _one_of("kind", "evidence", "acts", "tellings"),
    UniqueConstraint("kind", "row_id"),
)

codes = Table(
    "codes",
    metadata,
    _id(),
    Column("conversation", ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False, index=True),
    Column(
        "person",
        ForeignKey("people.id", ondelete="CASCADE"),
        index=True,
        comment="who asked; none: nobody is known before the code comes back",
    ),
    Column("purpose", String(10), nullable=False),
    Column("code_key", LargeBinary(32), nullable=False),
    Column("tries_left", SmallInteger, nullable=False),
    _at("made_at"),
    _at("expires_at"),
    _at("used_at", nullable=True),
    Column("about_enc", LargeBinary, comment="what it shows and what was wanted; until it is sent, the code"),
    _at("ready_at", nullable=True, comment="when it may be sent, or tried again; none: it is not to be sent"),
    Index(
        "ix_codes_unsent",
        "ready_at",
        sqlite_where=text("ready_at IS NOT NULL"),
        postgresql_where=text("ready_at IS NOT NULL"),
    ),
    _one_of("purpose", "start", "proof", "account"),
    CheckConstraint("tries_left >= 0", name="tries_not_negative"),
)

cases = Table(
    "cases",
    metadata,
    _id(),
    Column("ref", String(8), nullable=False, unique=True),
    Column("topic", String(30), nullable=False, comment="intent it came from, or poisoned, limited"),
    Column("audience", String(14), nullable=False, comment="who the person is to us"),
    Column("state", String(10), nullable=False),
    Column("is_verified", Boolean, nullable=False, server_default=text("false")),
    Column("is_urgent", Boolean, nullable=False, server_default=text("false")),
    Column("conversation", ForeignKey("conversations.id", ondelete="SET NULL"), index=True),
    Column("person", ForeignKey("people.id", ondelete="SET NULL"), index=True),
    Column("client", ForeignKey("clients.id", ondelete="SET NULL"), comment="whom it concerns"),
    Column("language", String(8), nullable=False),
    Column("due_on", String(10), comment="ISO date in Europe/Warsaw; none: no legal clock of ours"),
    _at("received_at"),
    _at("closed_at", nullable=True),
    _at("forwarded_at", nullable=True, comment="when it was first put on its way to the client"),
    _at("reminded_at", nullable=True, comment="the client was asked again to acknowledge it"),
    _at("escalated_at", nullable=True, comment="support has it, since the client does not acknowledge it"),
    _at("acknowledged_at", nullable=True, comment="the client said that it has it"),
    _at("extended_at", nullable=True, comment="when the person was told that it takes longer"),
    Column("is_refused", Boolean, nullable=False, server_default=text("false")),
    Column(
        "wants_word",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="the person asked to hear when the client acknowledges it",
    ),
    _one_of("audience", "recipient", "direct_client", "visitor", "unknown"),
    _one_of("state", "possible", "open", "forwarded", "closed"),
    Index("ix_cases_state_due_on", "state", "due_on"),
    Index(
        "ix_cases_unacknowledged",
        "id",
        sqlite_where=text("state = 'forwarded' AND acknowledged_at IS NULL"),
        postgresql_where=text("state = 'forwarded' AND acknowledged_at IS NULL"),
    ),
)

case_notes = Table(
    "case_notes",
    metadata,
    _id(),
    Column("case_id", ForeignKey("cases.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("author", String(8), nullable=False),
    Column("staff", ForeignKey("staff.id")),
    Column("inbox", ForeignKey("inbox.id", ondelete="SET NULL"), index=True),
    Column("body_enc", LargeBinary, nullable=False),
    _at("at"),
    _one_of("author", "person", "bot", "staff", "client"),
)

notices = Table(
    "notices",
    metadata,
    _id(),
    Column(
        "event", String(40), nullable=False, unique=True, comment="webhook-id, the same over every attempt"
    ),
    Column("event_type", String(30), nullable=False),
    Column("client", ForeignKey("clients.id", ondelete="CASCADE"), nullable=False),
    Column("person", ForeignKey("people.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("sequence", Integer, nullable=False, comment="its place among those about this person"),
    Column("case_id", ForeignKey("cases.id", ondelete="CASCADE"), index=True),
    Column("evidence", ForeignKey("evidence.id", ondelete="CASCADE"), index=True),
    Column("way", String(8), nullable=False),
    Column("body_enc", LargeBinary),
    Column("state", String(10), nullable=False),
    Column("tries", SmallInteger, nullable=False, server_default="0"),
    Column("code", String(40), nullable=False, server_default=""),
    Column("lease", String(32)),
    _at("lease_until", nullable=True),
    _at("ready_at"),
    _at("created_at"),
    _at("settled_at", nullable=True),
    UniqueConstraint("client", "person", "sequence"),
    _one_of(
        *("event_type", "optout.created", "optout.lifted"),
        *("rights_request.forwarded", "rights_request.reminder"),
    ),
    _one_of("way", "webhook", "mail", "digest"),
    _one_of("state", "ready", "in_hand", "sent", "failed"),
    CheckConstraint("(case_id IS NULL) <> (evidence IS NULL)", name="one_cause"),
    CheckConstraint("body_enc IS NOT NULL OR settled_at IS NOT NULL", name="body_until_settled"),
    Index(
        "ix_notices_open",
        "id",
        sqlite_where=text("state IN ('ready', 'in_hand')"),
        postgresql_where=text("state IN ('ready', 'in_hand')"),
    ),
    Index("ix_notices_client_state", "client", "state"),
)

client_accounts = Table(
    "client_accounts",
    metadata,
    _id(),
    Column("client", ForeignKey("clients.id", ondelete="CASCADE"), nullable=False),
    Column("provider", String(16), nullable=False),
    Column("token_enc", LargeBinary, nullable=False),
    Column(
        "state", String(8), nullable=False, comment="refused: the token is not taken, an operator must look"
    ),
    Column("code", String(40), nullable=False, server_default="", comment="how it failed last"),
    _at("made_at"),
    _at("checked_at", nullable=True, comment="when it answered as it should last"),
    _at("rests_until", nullable=True),
    _at("polled_at", nullable=True, comment="when its opt-outs were last asked for"),
    _at("compared_at", nullable=True, comment="when its blacklist was last held beside our opt-outs"),
    _at("opt_outs_off_at", nullable=True, comment="the provider says that it has no list of opt-outs"),
    _one_of("provider", "smsapi"),
    _one_of("state", "ready", "refused"),
    UniqueConstraint("client", "provider"),
)

blacklisted = Table(
    "blacklisted",
    metadata,
    _id(),
    Column("account", ForeignKey("client_accounts.id", ondelete="CASCADE"), nullable=False),
    Column("person", ForeignKey("people.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("state", String(8), nullable=False, comment="due: to be held against what stands, and mended"),
    Column(
        "turn", Integer, nullable=False, comment="how often it became due; one that came meanwhile counts"
    ),
    Column(
        "entry", String(64), comment="the provider's id of the entry we made; none: none of ours is there"
    ),
    _at("asked_at", nullable=True, comment="an entry was asked for then, its id is not known yet"),
    Column("tries", SmallInteger, nullable=False, server_default="0"),
    Column("code", String(40), nullable=False, server_default=""),
    Column("lease", String(32)),
    _at("lease_until", nullable=True),
    _at("ready_at"),
    _one_of("state", "due", "settled", "failed"),
    UniqueConstraint("account", "person"),
    Index(
        "ix_blacklisted_due",
        "ready_at",
        sqlite_where=text("state = 'due'"),
        postgresql_where=text("state = 'due'"),
    ),
)

listed_opt_outs = Table(
    "listed_opt_outs",
    metadata,
    Column("account", ForeignKey("client_accounts.id", ondelete="CASCADE"), primary_key=True),
    Column("entry", String(64), primary_key=True, comment="the provider's id: each is taken in once"),
)

tokens = Table(
    "tokens",
    metadata,
    _id(),
    Column("name", String(64), nullable=False),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("grants", String(8), nullable=False),
    Column("client", ForeignKey("clients.id", ondelete="CASCADE")),
    _at("made_at"),
    _at("revoked_at", nullable=True),
    _one_of("grants", "client", "feed", "gate"),
    CheckConstraint("(grants = 'client') = (client IS NOT NULL)", name="client_token_has_client"),
)

staff = Table(
    "staff",
    metadata,
    _id(),
    Column("name", String(64), nullable=False, unique=True),
    Column("role", String(8), nullable=False),
    Column("password_hash", String(200), nullable=False),
    _at("made_at"),
    _at("disabled_at", nullable=True),
    _one_of("role", "agent", "lead", "auditor"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("staff", ForeignKey("staff.id", ondelete="CASCADE"), nullable=False),
    Column("csrf", String(64), nullable=False),
    _at("made_at"),
    _at("seen_at"),
)

counts = Table(
    "counts",
    metadata,
    Column("what", String(24), primary_key=True),
    Column("whom_key", LargeBinary(32), primary_key=True),
    Column("since", String(20), primary_key=True, comment="start of the period counted"),
    Column("n", Integer, nullable=False),
    _at("expires_at", index=True),
)
