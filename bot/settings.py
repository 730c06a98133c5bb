"""Read every setting once, from the environment or `.env`, and stop the start on a bad one. Connects to nothing."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.domain.errors import BadSetting

PREFIX = "WHOSENT_"
POSTGRESQL = ("postgres", "postgresql", "postgresql+psycopg")
SMSAPI_API_URL = "https://api.smsapi.pl"
MIN_SECRET = 16  #: characters; below it a secret is guessed, not kept
EXAMPLES = (
    "change-me",
    "changeme",
    "example",
    "secret",
    "password",
    "your-",
    "xxxx",
    "0000000000000000",
    "<",
)


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    url: str = field(repr=False)  # it holds the password
    keys_file: Path
    audit_file: Path | None = None  #: where heads are signed to; None: beside the keys file

    @property
    def heads(self) -> Path:
        return self.audit_file or self.keys_file.with_name("audit.jsonl")


@dataclass(frozen=True, slots=True)
class NluSettings:
    url: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TwilioSettings:
    account_sid: str
    auth_tokens: tuple[str, ...] = field(repr=False)
    api_url: str
    sender: str  #: E.164 or MG…; serves codes and unprompted texts
    public_url: str


@dataclass(frozen=True, slots=True)
class SmsapiSettings:
    token: str = field(repr=False)
    api_url: str
    callback_secret: str = field(repr=False)
    source_ips: tuple[str, ...]
    sender: str
    public_url: str


@dataclass(frozen=True, slots=True)
class TelegramSettings:
    token: str = field(repr=False)
    api_url: str
    webhook_secret: str = field(repr=False)  #: empty: `work` polls
    public_url: str


@dataclass(frozen=True, slots=True)
class WebSettings:
    public_url: str
    api_tokens: tuple[tuple[str, str], ...] = field(repr=False)
    simulator: bool


@dataclass(frozen=True, slots=True)
class MailSettings:
    smtp_url: str = field(repr=False)
    mail_from: str


@dataclass(frozen=True, slots=True)
class Settings:
    ledger: LedgerSettings
    nlu: NluSettings
    web: WebSettings
    mail: MailSettings
    twilio: TwilioSettings | None
    smsapi: SmsapiSettings | None
    telegram: TelegramSettings | None
    redis_url: str = field(repr=False)
    default_language: str
    policy_file: Path | None
    stop_all_covers: Literal["all", "marketing"]
    code_countries: frozenset[str]
    egress_allow: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    data_dir: Path
    smsapi_api_url: str = SMSAPI_API_URL  #: for clients' own accounts, also where the bot itself has none


class _Environment(BaseSettings):
    """The variables, each with its help. `bot.settings.load` is the only reader."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", env_ignore_empty=True
    )

    database_url: str = Field("sqlite:///var/whosent.db", description="SQLAlchemy URL of the ledger")
    redis_url: SecretStr = Field(SecretStr(""), description="redis://…; empty: in memory")
    public_url: str = Field(
        "http://127.0.0.1:8000", description="how providers reach this host, no slash at the end"
    )
    keys_file: Path = Field(Path("var/keys.json"), description="number keys, kept outside the database")
    audit_file: Path | None = Field(
        None, description="signed heads of the audit chain; empty: audit.jsonl beside the keys file"
    )
    nlu_url: str = Field("http://127.0.0.1:5005", description="address of the language model's process")
    nlu_secret: SecretStr = Field(SecretStr(""), description="shared with the language model's process")
    default_language: str = Field("pl", description="language before anything is known")
    twilio_account_sid: str = Field("", description="AC…")
    twilio_auth_token: SecretStr = Field(SecretStr(""), description="several, comma-separated, for rotation")
    twilio_api_url: str = Field("https://api.twilio.com", description="address of the provider's API")
    twilio_from: str = Field("", description="number or Messaging Service for codes and unprompted texts")
    smsapi_token: SecretStr = Field(SecretStr(""), description="OAuth token")
    smsapi_api_url: str = Field(SMSAPI_API_URL, description="address of the provider's API")
    smsapi_callback_secret: SecretStr = Field(SecretStr(""), description="the k=… of the callback addresses")
    smsapi_source_ips: str = Field(
        "89.174.81.98,91.185.187.219,213.189.53.211,31.186.83.18,212.91.26.253",
        description="addresses callbacks may come from, comma-separated; networks allowed",
    )
    smsapi_from: str = Field("", description="sender of codes and unprompted texts")
    telegram_token: SecretStr = Field(SecretStr(""), description="bot token")
    telegram_api_url: str = Field("https://api.telegram.org", description="address of the Bot API")
    telegram_webhook_secret: SecretStr = Field(SecretStr(""), description="empty: `work` polls instead")
    api_tokens: SecretStr = Field(SecretStr(""), description="name:token,… with the rights of gate and feed")
    smtp_url: SecretStr = Field(SecretStr(""), description="smtp://user:password@host:587")
    mail_from: str = Field("", description="address that mail to clients comes from")
    policy_file: Path | None = Field(None, description="text of the privacy policy")
    stop_all_covers: Literal["all", "marketing"] = Field("all", description="what STOP ALL blocks")
    code_countries: str = Field(
        "AT,BE,BG,CH,CY,CZ,DE,DK,EE,ES,FI,FR,GB,GR,HR,HU,IE,IS,IT,LI,LT,LU,LV,MT,NL,NO,PL,PT,RO,SE,SI,SK,UA",
        description="countries whose mobile numbers a code may be texted to, two letters each, comma-separated",
    )
    egress_allow: str = Field("", description="networks outgoing webhooks may reach besides public ones")
    data_dir: Path = Field(Path("data"), description="texts, keywords and knowledge")
    simulator: bool = Field(False, description="serve /phone")


NAMES = frozenset(PREFIX + name.upper() for name in _Environment.model_fields)
"""Every variable there is; what compose files may set is held against it."""


def help_lines() -> list[tuple[str, str]]:
    """Each variable with its help, for `--help` and for the test of `.env.example`."""
    return [(PREFIX + n.upper(), f.description or "") for n, f in _Environment.model_fields.items()]


def load(env_file: str | None = ".env") -> Settings:
    """Read and check every setting.

    env_file: where to look besides the environment; None: nowhere.
    Raises BadSetting with one line that names the variable.
    """
    try:
        env = _Environment(_env_file=env_file)  # type: ignore[call-arg]
    except (OSError, UnicodeDecodeError) as error:
        raise BadSetting(f"{env_file} cannot be read: {type(error).__name__}") from None
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + str(first["loc"][0]).upper()
        raise BadSetting(f"{name}: {first['msg']}") from None
    public_url = _address("PUBLIC_URL", env.public_url)
    return Settings(
        ledger=LedgerSettings(url=_database(env.database_url), keys_file=env.keys_file, audit_file=env.audit_file),
        nlu=NluSettings(url=_address("NLU_URL", env.nlu_url), secret=_secret("NLU_SECRET", env.nlu_secret)),
        web=WebSettings(public_url=public_url, api_tokens=_tokens(env.api_tokens), simulator=env.simulator),
        mail=_mail(env),
        twilio=_twilio(env, public_url),
        smsapi=_smsapi(env, public_url),
        telegram=_telegram(env, public_url),
        smsapi_api_url=_address("SMSAPI_API_URL", env.smsapi_api_url),
        redis_url=_redis(env.redis_url),
        default_language=_language(env.default_language),
        policy_file=_file("POLICY_FILE", env.policy_file),
        stop_all_covers=env.stop_all_covers,
        code_countries=_countries(env.code_countries),
        egress_allow=_networks("EGRESS_ALLOW", env.egress_allow),
        data_dir=_folder(env.data_dir),
    )


def _secret(name: str, value: SecretStr, *, least: int = MIN_SECRET) -> str:
    text = value.get_secret_value().strip()
    if not text:
        return ""
    if len(text) < least:
        raise BadSetting(f"{PREFIX}{name}: a secret needs at least {least} characters")
    if len(set(text)) < 6 or any(word in text.lower() for word in EXAMPLES):
        raise BadSetting(f"{PREFIX}{name}: this is an example value; set one of your own")
    return text


_HOSTLESS = frozenset({"unix", *POSTGRESQL})  # a socket's path stands in the address or its query


def _split(name: str, value: str, schemes: Collection[str], wanted: str) -> SplitResult:
    """The parts of an address with one of these schemes, its host there and its port a number."""
    try:
        parts = urlsplit(value)
        is_whole = parts.scheme in schemes and (bool(parts.hostname) or parts.scheme in _HOSTLESS)
        _ = parts.port  # raises for none
    except ValueError:
        is_whole = False
    if not is_whole:
        raise BadSetting(f"{PREFIX}{name}: needs {wanted}")
    return parts


def _address(name: str, value: str) -> str:
    parts = _split(name, value, ("http", "https"), "an http(s) address")
    if parts.query or parts.fragment:
        raise BadSetting(f"{PREFIX}{name}: needs an http(s) address without ? and #")
    return value.rstrip("/")


def _database(url: str) -> str:
    wanted = "sqlite:///FILE or postgresql://…/DATABASE"
    scheme, _, rest = url.partition(":")
    if scheme == "sqlite":
        if not rest.startswith("///") or rest[3:].partition("?")[0] in ("", ":memory:"):
            raise BadSetting(f"{PREFIX}DATABASE_URL: needs {wanted}")
        return url
    if not _split("DATABASE_URL", url, POSTGRESQL, wanted).path.strip("/"):
        raise BadSetting(f"{PREFIX}DATABASE_URL: needs {wanted}")
    return f"postgresql+psycopg:{rest}"


def _redis(value: SecretStr) -> str:
    url = value.get_secret_value()
    if url:
        _split("REDIS_URL", url, ("redis", "rediss", "unix"), "redis://…")
    return url


def _language(value: str) -> str:
    if not re.fullmatch(r"[a-z]{2}", value):
        raise BadSetting(f"{PREFIX}DEFAULT_LANGUAGE: two letters, such as pl")
    return value


def _countries(value: str) -> frozenset[str]:
    found = frozenset(part.strip().upper() for part in value.split(",") if part.strip())
    if not all(re.fullmatch(r"[A-Z]{2}", country) for country in found):
        raise BadSetting(f"{PREFIX}CODE_COUNTRIES: two letters each, such as PL,DE")
    return found


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise BadSetting(f"{PREFIX}DATA_DIR: there is no folder {path}")
    return path


def _file(name: str, path: Path | None) -> Path | None:
    if path is not None and not path.is_file():
        raise BadSetting(f"{PREFIX}{name}: there is no file {path}")
    return path


def _networks(name: str, value: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in value.split(",") if part.strip())
    except ValueError as error:
        raise BadSetting(f"{PREFIX}{name}: {error}") from None


def _tokens(value: SecretStr) -> tuple[tuple[str, str], ...]:
    pairs: list[tuple[str, str]] = []
    for part in filter(None, (p.strip() for p in value.get_secret_value().split(","))):
        name, colon, token = part.partition(":")
        secret = _secret("API_TOKENS", SecretStr(token))
        if not colon or not name or not secret:
            raise BadSetting(f"{PREFIX}API_TOKENS: needs name:token,…")
        if name in dict(pairs):
            raise BadSetting(f"{PREFIX}API_TOKENS: a name stands there twice")
        pairs.append((name, secret))
    return tuple(pairs)


def _mail(env: _Environment) -> MailSettings:
    url = env.smtp_url.get_secret_value()
    if url:
        _split("SMTP_URL", url, ("smtp", "smtps"), "smtp://… or smtps://…")
    if url and "@" not in env.mail_from:
        raise BadSetting(f"{PREFIX}MAIL_FROM: needed with SMTP_URL")
    return MailSettings(smtp_url=url, mail_from=env.mail_from)


def _twilio(env: _Environment, public_url: str) -> TwilioSettings | None:
    tokens = [t.strip() for t in env.twilio_auth_token.get_secret_value().split(",") if t.strip()]
    if not tokens or not env.twilio_account_sid:
        return None
    if not re.fullmatch(r"AC[0-9a-f]{32}", env.twilio_account_sid):
        raise BadSetting(f"{PREFIX}TWILIO_ACCOUNT_SID: AC and 32 hexadecimal digits")
    return TwilioSettings(
        account_sid=env.twilio_account_sid,
        auth_tokens=tuple(_secret("TWILIO_AUTH_TOKEN", SecretStr(t)) for t in tokens),
        api_url=_address("TWILIO_API_URL", env.twilio_api_url),
        sender=env.twilio_from,
        public_url=public_url,
    )


def _smsapi(env: _Environment, public_url: str) -> SmsapiSettings | None:
    token = _secret("SMSAPI_TOKEN", env.smsapi_token)
    callback = _secret("SMSAPI_CALLBACK_SECRET", env.smsapi_callback_secret, least=22)
    if not token or not callback:
        return None
    networks = _networks("SMSAPI_SOURCE_IPS", env.smsapi_source_ips)
    return SmsapiSettings(
        token=token,
        api_url=_address("SMSAPI_API_URL", env.smsapi_api_url),
        callback_secret=callback,
        source_ips=tuple(str(n) for n in networks),
        sender=env.smsapi_from,
        public_url=public_url,
    )


def _telegram(env: _Environment, public_url: str) -> TelegramSettings | None:
    token = env.telegram_token.get_secret_value()
    if not token:
        return None
    if not re.fullmatch(r"\d{5,20}:[A-Za-z0-9_-]{20,}", token):
        raise BadSetting(f"{PREFIX}TELEGRAM_TOKEN: digits, a colon and at least 20 characters")
    _secret("TELEGRAM_TOKEN", SecretStr(token.partition(":")[2]))
    webhook_secret = _secret("TELEGRAM_WEBHOOK_SECRET", env.telegram_webhook_secret)
    if not re.fullmatch(r"[A-Za-z0-9_-]{0,256}", webhook_secret):  # https://core.telegram.org/bots/api#setwebhook
        raise BadSetting(f"{PREFIX}TELEGRAM_WEBHOOK_SECRET: at most 256 of A-Z, a-z, 0-9, _ and -")
    return TelegramSettings(
        token=token,
        api_url=_address("TELEGRAM_API_URL", env.telegram_api_url),
        webhook_secret=webhook_secret,
        public_url=public_url,
    )
