"""Settings that stop the start, each with one line, and secrets that show themselves nowhere."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest

from bot import settings
from bot.domain.errors import BadSetting
from bot.settings import PREFIX, Settings

SECRET = "bWi1-SaKO58B7PCsL5E8VzoTC31q9pXw_r"  # fixed: it stands in names of tests
TWILIO = {"TWILIO_ACCOUNT_SID": "AC" + "1f" * 16, "TWILIO_AUTH_TOKEN": "9c1be27ad4f0836591bce27ad4f08365"}
SMSAPI = {"SMSAPI_TOKEN": SECRET, "SMSAPI_CALLBACK_SECRET": "aB3dE5fG7hJ9kL1mN3pQ5rS7tU"}
TELEGRAM = {"TELEGRAM_TOKEN": "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"}
EVERYTHING = {
    **TWILIO,
    **SMSAPI,
    **TELEGRAM,
    "TELEGRAM_WEBHOOK_SECRET": secrets.token_urlsafe(24),
    "NLU_SECRET": secrets.token_urlsafe(24),
    "API_TOKENS": f"partner:{secrets.token_urlsafe(24)}",
    "DATABASE_URL": f"postgresql://whosent:{secrets.token_urlsafe(20)}@db/whosent",
    "REDIS_URL": f"redis://:{secrets.token_urlsafe(20)}@cache:6379/0",
    "SMTP_URL": f"smtp://bot:{secrets.token_urlsafe(20)}@mail.example:587",
    "MAIL_FROM": "bot@whosent.example",
}


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith(PREFIX):
            monkeypatch.delenv(name)


def load(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> Settings:
    for name, value in values.items():
        monkeypatch.setenv(PREFIX + name, value)
    return settings.load(None)


def test_with_nothing_set_everything_runs_here_and_no_channel_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = load(monkeypatch, {})
    assert found.ledger.url == "sqlite:///var/whosent.db"
    assert (found.twilio, found.smsapi, found.telegram) == (None, None, None)
    assert (found.redis_url, found.default_language, found.stop_all_covers) == ("", "pl", "all")
    assert (found.egress_allow, found.web.simulator, found.web.api_tokens) == ((), False, ())


LONG = "a" * 30
BAD = [
    ("DATABASE_URL", "nonsense"),
    ("DATABASE_URL", "mysql://a@b/c"),
    ("DATABASE_URL", "postgresql://u:p@[::1/x"),
    ("DATABASE_URL", "postgresql://u:p@host:port/x"),
    ("DATABASE_URL", "sqlite://"),
    ("DATABASE_URL", "sqlite:///:memory:"),
    ("REDIS_URL", "http://cache"),
    ("REDIS_URL", "redis://[::1"),
    ("REDIS_URL", "redis://cache:none/0"),
    ("REDIS_URL", "x"),
    ("PUBLIC_URL", "bot.example"),
    ("PUBLIC_URL", "ftp://bot.example"),
    ("PUBLIC_URL", "https://"),
    ("PUBLIC_URL", "https://[::1"),
    ("PUBLIC_URL", "https://bot.example:99999"),
    ("PUBLIC_URL", "https://bot.example/?a=1"),
    ("NLU_URL", "nlu:5005"),
    ("NLU_URL", "http://nlu:none"),
    ("NLU_SECRET", "short"),
    ("NLU_SECRET", "change-me-please-please"),
    ("NLU_SECRET", "a" * 40),
    ("DEFAULT_LANGUAGE", "polski"),
    ("DEFAULT_LANGUAGE", "PL"),
    ("STOP_ALL_COVERS", "nothing"),
    ("CODE_COUNTRIES", "PL,Poland"),
    ("EGRESS_ALLOW", "inside"),
    ("EGRESS_ALLOW", "127.0.0.1/8"),
    ("SIMULATOR", "perhaps"),
    ("DATA_DIR", "/there/is/none"),
    ("POLICY_FILE", "/there/is/none"),
    ("API_TOKENS", SECRET),
    ("API_TOKENS", f":{SECRET}"),
    ("API_TOKENS", "partner:"),
    ("API_TOKENS", f"a:{SECRET},b:"),
    ("API_TOKENS", "partner:short"),
    ("API_TOKENS", "partner:example-token-of-ours"),
    ("API_TOKENS", f"a:{SECRET},a:{SECRET[::-1]}"),
    ("SMTP_URL", "mail.example:587"),
    ("SMTP_URL", "smtp://"),
    ("SMTP_URL", "smtp://[::1"),
    ("SMTP_URL", "smtp://mail:x"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_stops_with_one_line_that_names_it(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadSetting) as caught:
        load(monkeypatch, {name: value})
    message = str(caught.value)
    assert message.startswith(f"{PREFIX}{name}: ")
    assert len(message.splitlines()) == 1
    assert SECRET not in message
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


CHANNELS = [
    (TWILIO, "TWILIO_ACCOUNT_SID", "AC123"),
    (TWILIO, "TWILIO_ACCOUNT_SID", "AC" + "x" * 32),
    (TWILIO, "TWILIO_AUTH_TOKEN", "short"),
    (TWILIO, "TWILIO_AUTH_TOKEN", "your-auth-token-comes-here"),
    (TWILIO, "TWILIO_AUTH_TOKEN", f"{TWILIO['TWILIO_AUTH_TOKEN']},0123"),
    (TWILIO, "TWILIO_API_URL", "api.twilio.com"),
    (SMSAPI, "SMSAPI_TOKEN", "0" * 32),
    (SMSAPI, "SMSAPI_CALLBACK_SECRET", "sixteen-letters!"),
    (SMSAPI, "SMSAPI_SOURCE_IPS", "somewhere"),
    (SMSAPI, "SMSAPI_API_URL", "x"),
    (TELEGRAM, "TELEGRAM_TOKEN", "token"),
    (TELEGRAM, "TELEGRAM_TOKEN", "123456789:your-telegram-bot-token-here"),
    (TELEGRAM, "TELEGRAM_TOKEN", "123456789:" + "x" * 35),
    (TELEGRAM, "TELEGRAM_WEBHOOK_SECRET", "short"),
    (TELEGRAM, "TELEGRAM_WEBHOOK_SECRET", "no blanks are allowed in it 12"),
    (TELEGRAM, "TELEGRAM_API_URL", "telegram"),
]


@pytest.mark.parametrize(("channel", "name", "value"), CHANNELS)
def test_a_bad_value_of_a_channel_stops_with_one_line_that_names_it_and_shows_no_secret(
    channel: dict[str, str], name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadSetting) as caught:
        load(monkeypatch, {**channel, name: value})
    message = str(caught.value)
    assert message.startswith(f"{PREFIX}{name}: ")
    assert len(message.splitlines()) == 1
    for secret in channel.values():
        assert secret not in message
    if "SID" not in name and "URL" not in name and "IPS" not in name:
        assert value not in message


def test_a_channel_without_one_of_its_secrets_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for channel, missing in (
        (TWILIO, "TWILIO_AUTH_TOKEN"),
        (SMSAPI, "SMSAPI_CALLBACK_SECRET"),
        (SMSAPI, "SMSAPI_TOKEN"),
    ):
        with monkeypatch.context() as patch:
            found = load(patch, {k: v for k, v in channel.items() if k != missing} | {missing: ""})
        assert (found.twilio, found.smsapi, found.telegram) == (None, None, None)


def test_a_channel_with_its_secrets_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    other = "f00dfacecafe4bad8dad1234567890ab"
    both = f"{TWILIO['TWILIO_AUTH_TOKEN']}, {other}"
    found = load(monkeypatch, {**EVERYTHING, "TWILIO_AUTH_TOKEN": both, "PUBLIC_URL": "https://bot.example/"})
    assert found.twilio is not None
    assert found.twilio.auth_tokens == (TWILIO["TWILIO_AUTH_TOKEN"], other)
    assert found.smsapi is not None
    assert found.smsapi.source_ips[0] == "89.174.81.98/32"
    assert found.telegram is not None
    assert {c.public_url for c in (found.twilio, found.smsapi, found.telegram)} == {"https://bot.example"}
    assert found.ledger.url.startswith("postgresql+psycopg://")
    assert found.web.api_tokens == (("partner", EVERYTHING["API_TOKENS"].partition(":")[2]),)


def test_no_secret_shows_itself_when_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = load(monkeypatch, EVERYTHING)
    shown = repr(found) + str(found) + repr(found.twilio) + repr(found.ledger) + repr(found.mail)
    for name, value in EVERYTHING.items():
        if name in ("TWILIO_ACCOUNT_SID", "MAIL_FROM"):
            continue
        secret = value.split("@")[0].rpartition(":")[2] if "://" in value else value.rpartition(":")[2]
        assert secret not in shown, name


@pytest.mark.parametrize(
    ("url", "used"),
    [
        ("sqlite:////var/lib/whosent.db", "sqlite:////var/lib/whosent.db"),
        ("postgres://a@b/c", "postgresql+psycopg://a@b/c"),
        ("postgresql:///c?host=/run/postgresql", "postgresql+psycopg:///c?host=/run/postgresql"),
        ("postgresql+psycopg://a:b@[::1]:5432/c", "postgresql+psycopg://a:b@[::1]:5432/c"),
    ],
)
def test_a_database_is_named_as_its_own_tools_name_it(
    url: str, used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load(monkeypatch, {"DATABASE_URL": url}).ledger.url == used


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "# comment\nWHOSENT_DEFAULT_LANGUAGE=en\nWHOSENT_PUBLIC_URL='https://file.example'\nWHOSENT_REDIS_URL=\n"
        "WHOSENT_SIMULATOR=true\nOTHER=1\n"
    )
    monkeypatch.setenv("WHOSENT_PUBLIC_URL", "https://environment.example")
    found = settings.load(str(file))
    assert (found.default_language, found.web.simulator) == ("en", True)
    assert found.web.public_url == "https://environment.example"
    assert settings.load(None).default_language == "pl"
    assert settings.load(str(tmp_path / "none")).default_language == "pl"


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        load(monkeypatch, {"DATABASE_URL": "", "SIMULATOR": "", "DEFAULT_LANGUAGE": ""}).default_language
        == "pl"
    )


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"WHOSENT_DEFAULT_LANGUAGE=\xff"])
def test_a_file_that_cannot_be_read_stops_with_one_line(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(content)
    with pytest.raises(BadSetting) as caught:
        settings.load(str(file))
    assert len(str(caught.value).splitlines()) == 1


def test_every_variable_has_its_help() -> None:
    for name, help_ in settings.help_lines():
        assert name in settings.NAMES
        assert help_, name
