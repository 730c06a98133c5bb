"""The command line. Reads arguments, calls services, prints; decides nothing.

Commands import what they need themselves: `--help` must not wait for a web server to load.

Exit 0 done, 1 failed with a one-line reason on stderr, 2 wrong usage.
"""

from __future__ import annotations

import gc
import json
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from bot import logs, nlu_process
from bot import settings as setting_files
from bot.domain.errors import BadSetting, NotKnown, WhosentError
from bot.settings import Settings

if TYPE_CHECKING:
    from bot.bootstrap import Built
    from bot.evaluation import Matcher
    from bot.ledger.book import Ledger
    from bot.understanding import Understanding

app = typer.Typer(
    name="whosent",
    help="The privacy bot of a business-messaging provider. Settings: WHOSENT_… or .env, see .env.example.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _group(name: str, help_: str) -> typer.Typer:
    group = typer.Typer(help=help_, no_args_is_help=True)
    app.add_typer(group, name=name)
    return group


nlu_app = _group("nlu", "The language model: train it, run it.")
keys_app = _group("keys", "Number keys, kept outside the database.")
import_app = _group("import", "Take in clients, senders and sent messages from CSV files.")
staff_app = _group("staff", "Desk accounts.")
token_app = _group("token", "Tokens of the client API.")
client_app = _group("client", "One client.")
channels_app = _group("channels", "The providers.")
policy_app = _group("policy", "The privacy policy's facts.")
data_app = _group("data", "The training data.")
audit_app = _group("audit", "The chain of evidence and acts.")

err = Console(stderr=True)


def main() -> None:
    """Run the command line; every error of ours is one line on stderr."""
    logs.set_up()
    try:
        app(prog_name="whosent")
    except (WhosentError, OSError) as error:
        err.print(f"whosent: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)


def _now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def _ledger() -> Iterator[Ledger]:
    from bot.ledger import keys
    from bot.ledger.book import Ledger

    settings = setting_files.load().ledger
    store = Ledger(settings.url, keys.read(settings.keys_file))
    try:
        yield store
    finally:
        store.close()


# --- processes ---------------------------------------------------------------------------------------


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
) -> None:
    """The web process: hooks, client API, desk."""
    from bot import bootstrap

    built = bootstrap.build(setting_files.load())
    _announce(built.settings)
    try:
        _serve(built, host, port)
    finally:
        built.close()


@app.command()
def work() -> None:
    """The worker process: answers, sends, notifies, sweeps, purges."""
    from bot import bootstrap
    from bot.worker import Worker

    built = bootstrap.build(setting_files.load())
    _announce(built.settings)
    worker = Worker(built)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    worker.start()
    stop.wait()
    worker.stop()
    built.close()


@nlu_app.command("train")
def nlu_train(
    force: Annotated[bool, typer.Option(help="Train even if the data has not changed.")] = False,
) -> None:
    """Train the language model; nothing to do if its data has not changed."""
    result = nlu_process.train(force=force, progress=_line)
    typer.echo(f"{'trained' if result.was_trained else 'unchanged'}: {result.model.name}")


@nlu_app.command("run")
def nlu_run(
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 5005,
    host: Annotated[str, typer.Option(help="Address to listen on; keep it private.")] = "127.0.0.1",
) -> None:
    """The language model's process, on loopback or a private network."""
    secret = setting_files.load().nlu.secret
    if not secret:
        raise BadSetting("WHOSENT_NLU_SECRET: needed to run the language model")
    nlu_process.run(port, secret, host)


@app.command("demo")
def demo_command(
    port: Annotated[int, typer.Option(help="Port of the web pages.")] = 8000,
    data: Annotated[Path, typer.Option(help="Where the demo keeps its database and keys.")] = Path(
        "var/demo"
    ),
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the phone in the browser.")
    ] = True,
) -> None:
    """All in one on this machine, with sample clients and messages."""
    from bot.demo import run

    run(port=port, folder=data, open_browser=browser, line=_line)


def _serve(built: Built, host: str, port: int) -> None:
    import uvicorn

    app = built.web()
    # What is loaded now stays: to look through it for garbage again and again took a quarter of a large batch.
    gc.collect()
    gc.freeze()
    uvicorn.run(
        app,
        host=host,
        port=port,
        access_log=False,  # the query of SMSAPI's callbacks holds a secret
        log_config=None,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=20,
    )


def _announce(settings: Settings) -> None:
    if settings.egress_allow:
        networks = ", ".join(map(str, settings.egress_allow))
        err.print(
            f"whosent: outgoing webhooks may reach {networks} besides public addresses", style="bold yellow"
        )


def _line(text: str) -> None:
    err.print(text, markup=False, highlight=False, soft_wrap=True)


# --- the store ---------------------------------------------------------------------------------------


@app.command("migrate")
def migrate_command() -> None:
    """Bring the schema up to date."""
    from bot.ledger import migrate

    with _ledger() as store:
        migrate.upgrade(store)
    typer.echo("schema is up to date")


@keys_app.command("create")
def keys_create(
    file: Annotated[Path, typer.Argument(help="Where to write the keys; keep a copy elsewhere.")],
) -> None:
    """Make a keys file. Without it no number in the database can be read or found again."""
    from bot.ledger import keys

    keys.create(file)
    typer.echo(f"keys written to {file}; keep a copy apart from the database")


@keys_app.command("rotate")
def keys_rotate() -> None:
    """Put a new key version in place and seal everything with it."""
    from bot.services import rotate_keys

    settings = setting_files.load()
    with _ledger() as store, _progress("resealing") as progress:
        rotate_keys.rotate(store, settings.ledger.keys_file, progress)
    typer.echo("everything is sealed with the new key")


@import_app.command("clients")
def import_clients(
    file: Annotated[Path, typer.Argument()], progress: Annotated[bool, typer.Option()] = True
) -> None:
    """Columns: client_id, legal_name, public_name, website, privacy_url, privacy_email, phone, address, dpo,
    language, sensitive, webhook_url, contacts."""
    from bot.services import import_files

    _import(import_files.import_clients, file, progress)


@import_app.command("senders")
def import_senders(
    file: Annotated[Path, typer.Argument()], progress: Annotated[bool, typer.Option()] = True
) -> None:
    """Columns: sender, client_id, channel, valid_from, valid_to."""
    from bot.services import import_files

    _import(import_files.import_senders, file, progress)


@import_app.command("sent")
def import_sent(
    file: Annotated[Path, typer.Argument()], progress: Annotated[bool, typer.Option()] = True
) -> None:
    """Columns: message_id, client_id, sender, recipient, sent_at, channel, class, text."""
    from bot.services import import_files

    _import(import_files.import_sent, file, progress)


def _import(take: Callable[..., Any], file: Path, show: bool) -> None:
    with _ledger() as store, _progress(file.name, show=show) as progress:
        report = take(store, file, progress, _now())
    for refusal in report.refused:
        err.print(
            f"line {refusal.line}: {refusal.column}: {refusal.reason}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    typer.echo(
        f"read {report.read}, new {report.new}, changed {report.changed}, unchanged {report.unchanged}, "
        f"refused {len(report.refused)}"
    )
    if report.refused:
        raise typer.Exit(1)


@contextmanager
def _progress(what: str, *, show: bool = True) -> Iterator[Callable[[int, int | None], None]]:
    if not (show and err.is_terminal):
        yield lambda done, total: None
        return
    with Progress(TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=err) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@app.command("purge")
def purge_command(dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only.")] = False) -> None:
    """Delete what has outlived its period."""
    from bot.services.purge import purge

    with _ledger() as store:
        counts = purge(store, _now(), dry_run=dry_run)
    for category, count in counts.items():
        typer.echo(f"{category}: {count}")


@app.command("erase")
def erase_command(number: Annotated[str, typer.Option("--number", help="The number, in E.164.")]) -> None:
    """Erase everything about a number but its standing opt-outs."""
    from bot.services.erase import erase

    with _ledger() as store:
        report = erase(store, number, _now())
    for category, count in asdict(report).items():
        typer.echo(f"{category}: {count}")


# --- the chain of evidence ---------------------------------------------------------------------------

Heads = Annotated[
    list[Path] | None,
    typer.Option("--heads", help="A file of signed heads; give every host's. Default: AUDIT_FILE."),
]


@audit_app.command("verify")
def audit_verify(heads: Heads = None) -> None:
    """Walk the whole chain beside its signed heads; name the first bad row."""
    from bot.services import audit

    with _ledger() as store:
        found = audit.verify(store, heads or [setting_files.load().ledger.heads])
    if found.waiting:
        _line(f"{found.waiting} rows wait to be sealed, the oldest since {found.waiting_since}")
    if found.finding is not None:
        raise WhosentError(str(found.finding))
    typer.echo(
        f"the chain is whole: {found.places} places ({found.gone} purged), "
        f"signed up to place {found.signed_to} by {found.heads} heads"
    )


@audit_app.command("export")
def audit_export(
    what: Annotated[
        str,
        typer.Argument(metavar="OPTOUT_OR_EVIDENCE_ID", help="12, or e34 for a row of evidence."),
    ],
    out: Annotated[Path, typer.Option("--out", help="The zip file to write.")],
    heads: Heads = None,
) -> None:
    """Write the evidence of one opt-out as a bundle that a third party can check without our keys."""
    from bot import texts
    from bot.services import audit

    settings = setting_files.load()
    brand = texts.load(settings.data_dir).provider.brand
    with _ledger() as store:
        rows = audit.export(store, heads or [settings.ledger.heads], what, out, brand=brand)
    typer.echo(f"{rows} rows written to {out}; it holds a person's number and words")


@audit_app.command("find")
def audit_find(number: Annotated[str, typer.Option("--number", help="The number, in E.164.")]) -> None:
    """List the opt-outs of a number with the ids that export takes."""
    from bot.services import audit

    with _ledger() as store:
        for line in audit.find(store, number):
            typer.echo(line)


@audit_app.command("key")
def audit_key() -> None:
    """Print the public keys that sign the chain, the one in use first. Publish them apart from the bundles."""
    from bot.ledger import keys

    signing = keys.signing(setting_files.load().ledger.keys_file)
    for name, public in signing.publics.items():
        typer.echo(f"{name} {public.hex()}")


# --- who may do what ---------------------------------------------------------------------------------


@staff_app.command("add")
def staff_add(
    name: Annotated[str, typer.Argument(help="Name to sign in with.")],
    role: Annotated[
        Literal["agent", "lead", "auditor"], typer.Option(help="What the account may do.")
    ] = "agent",
) -> None:
    """Make a desk account; its password is asked for, or read from the first line of standard input."""
    from bot.services import sign_in

    if sys.stdin.isatty():
        password = typer.prompt("Password (12 characters or more)", hide_input=True, confirmation_prompt=True)
    else:
        password = sys.stdin.readline().rstrip("\n")
    with _ledger() as store:
        sign_in.create(store, name, role, password, now=_now())
    typer.echo(f"{name} may sign in at /desk as {role}")


@token_app.command("add")
def token_add(
    for_: Annotated[str, typer.Option("--for", help="A client's id, feed or gate.")],
) -> None:
    """Make a token; it is shown once. A client's answers for its own only."""
    from bot.ledger import clients, tokens

    with _ledger() as store, store.write() as book:
        right = tokens.Right(for_) if for_ in ("feed", "gate") else tokens.Right.CLIENT
        client = clients.find(book, for_) if right is tokens.Right.CLIENT else None
        if right is tokens.Right.CLIENT and client is None:
            raise NotKnown(f"no client {for_}")
        token = tokens.add(book, for_, right, client=client, now=_now())
    typer.echo(token)


ClientId = Annotated[str, typer.Argument(help="The client's id.")]
OLD_SECRET_SIGNS = timedelta(hours=24)


@client_app.command("secret")
def client_secret(
    client: ClientId,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="The old one signs no more: somebody else has it.")
    ] = False,
) -> None:
    """Make a new webhook secret for a client; it is shown once. The old one signs too for 24 hours."""
    import base64

    from bot.ledger import audit, clients
    from bot.ledger.audit import Deed

    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    with _ledger() as store, store.write() as book:
        found = clients.find(book, client)
        if found is None:
            raise NotKnown(f"no client {client}")
        keep_old = timedelta(0) if at_once else OLD_SECRET_SIGNS
        clients.set_webhook_secret(book, found, secret, now=_now(), keep_old=keep_old)
        audit.act(book, Deed.SECRET_MADE, at=_now(), client=found)
    typer.echo(secret)


@client_app.command("account")
def client_account(
    client: ClientId,
    provider: Annotated[Literal["smsapi"], typer.Option(help="Where the account is.")] = "smsapi",
    remove: Annotated[
        bool, typer.Option("--remove", help="Forget it; its blacklist stays as it is.")
    ] = False,
) -> None:
    """Keep in step with a client's own account: its token is asked for, or read from standard input.

    Opt-outs go onto the account's blacklist, which stops every message of it, codes too; opt-outs made at the
    provider are taken in. The account that the bot answers from is refused.
    """
    from bot import bootstrap
    from bot.services import keep_account

    if remove:
        with _ledger() as store:
            keep_account.forget_account(store, client, provider, now=_now())
        typer.echo(f"the account of {client} at {provider} is forgotten")
        return
    is_asked = sys.stdin.isatty()
    token = typer.prompt("Token", hide_input=True) if is_asked else sys.stdin.readline().strip()
    reach = bootstrap.reach(setting_files.load())
    with _ledger() as store:
        has_opt_outs = keep_account.keep_account(store, reach, client, provider, token, now=_now())
    more = "its opt-outs are taken in" if has_opt_outs else "it keeps no opt-outs of its own"
    typer.echo(f"the account of {client} at {provider} follows from now on; {more}")


@client_app.command("show")
def client_show(client: ClientId) -> None:
    """How a client is told of opt-outs and requests: its way, what waits, what failed."""
    from bot.bootstrap import ways_to_clients
    from bot.ledger import blacklisted, client_accounts, clients, notices
    from bot.services.reach_client import way_to

    ways = ways_to_clients(setting_files.load())
    with _ledger() as store, store.read() as book:
        found = clients.find(book, client)
        if found is None:
            raise NotKnown(f"no client {client}")
        way = way_to(book, clients.card(book, found), notices.EventType.STOPPED, ways)
        webhook = clients.webhook(book, found)
        counts = notices.counts(book, found)
        accounts = [(a, blacklisted.counts(book, a.id)) for a in client_accounts.of_client(book, found)]
    typer.echo(f"opt-outs go by: {way.value if way else 'no way; the gate and GET /v1/optouts only'}")
    if webhook.gone_at is not None:
        typer.echo(
            f"webhook gone (410) since {webhook.gone_at:%Y-%m-%d %H:%M} UTC; a new address or secret wakes it"
        )
    elif webhook.failures:
        since = f", since {webhook.failing_since:%Y-%m-%d %H:%M} UTC" if webhook.failing_since else ""
        typer.echo(f"webhook failed {webhook.failures} times in a row{since}")
    for one in counts:
        typer.echo(
            f"{one.event_type} by {one.way}: {one.state} {one.count}, oldest {one.oldest:%Y-%m-%d %H:%M} UTC"
        )
    for account, rows in accounts:
        said = ", ".join(f"{state} {count}" for state, count in sorted(rows.items())) or "nothing mirrored"
        typer.echo(
            f"own account at {account.provider}: {account.state} {account.code}".rstrip() + f"; {said}"
        )


@client_app.command("replay")
def client_replay(
    client: ClientId,
    since: Annotated[
        datetime, typer.Option(help="From when on, in UTC.", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"])
    ],
) -> None:
    """Tell a client again of every opt-out made or lifted since a date, with new webhook-ids."""
    from bot.bootstrap import ways_to_clients
    from bot.services.tell_opt_outs import replay

    ways = ways_to_clients(setting_files.load())
    with _ledger() as store:
        told = replay(store, client, since=since.replace(tzinfo=UTC), ways=ways, now=_now())
    typer.echo(f"{told} notices are on their way to {client}")


@channels_app.command("check")
def channels_check(
    register: Annotated[
        bool, typer.Option("--register", help="Also set hooks and callbacks at the providers.")
    ] = False,
) -> None:
    """Try the credentials, hooks and callbacks of every channel set up."""
    from bot import bootstrap

    open_channels = bootstrap.channels(setting_files.load())
    if not open_channels:
        raise BadSetting("no channel is set up; see .env.example")
    is_well = True
    for name, channel in open_channels.items():
        for finding in channel.check(register=register):
            is_well = is_well and finding.ok
            typer.echo(f"{'ok ' if finding.ok else 'BAD'} {name}: {finding.what}")
        channel.close()
    if not is_well:
        raise typer.Exit(1)


@channels_app.command("compare")
def channels_compare(
    mend: Annotated[
        bool, typer.Option("--mend", help="Also bring their blacklists into step, as every night.")
    ] = False,
) -> None:
    """Hold standing opt-outs beside the blacklist of every client's own account; counts only."""
    from bot import bootstrap
    from bot.ledger import client_accounts
    from bot.services import compare_lists
    from bot.services.mirror_opt_outs import mirror

    built = bootstrap.build(setting_files.load())
    try:
        with built.house.ledger.read() as book:
            accounts = client_accounts.every(book)
        found = [
            compare_lists.compare(built.house, built.reach(), a, mend=mend, now=_now()) for a in accounts
        ]
        while mend and mirror(built.house.ledger, built.reach(), now=_now()):
            pass
    finally:
        built.close()
    columns = ("ours", "there", "missing", "stale", "foreign", "taken_in")
    table = Table("client", *(name.replace("_", " ") for name in columns), "state")
    for one in found:
        counts = ("-" if getattr(one, name) is None else str(getattr(one, name)) for name in columns)
        table.add_row(one.client_id, *counts, one.code or "ok")
    Console().print(table)
    if any(one.code for one in found):
        raise typer.Exit(1)


@policy_app.command("check")
def policy_check(
    file: Annotated[Path | None, typer.Argument(help="The policy's text; default: POLICY_FILE.")] = None,
) -> None:
    """Hold the facts against the policy's text and list those to look at again."""
    from bot import knowledge

    settings = setting_files.load()
    path = file or settings.policy_file
    if path is None:
        raise BadSetting("WHOSENT_POLICY_FILE: which text to hold the facts against?")
    stale = knowledge.load(settings.data_dir / "knowledge").check(path.read_text(encoding="utf-8"))
    for fact in stale:
        typer.echo(str(fact))
    if stale:
        raise typer.Exit(1)
    typer.echo("every fact stands in the text")


# --- understanding -----------------------------------------------------------------------------------

NoNlu = Annotated[bool, typer.Option("--no-nlu", help="Keywords and phrases only.")]


@app.command("understand")
def understand_command(
    no_nlu: NoNlu = False,
    language: Annotated[str, typer.Option(help="auto, or two letters.")] = "auto",
) -> None:
    """Read messages from standard input, one a line; print what the bot makes of each, as JSON lines."""
    from bot import evaluation

    with _reader(no_nlu) as (matcher, model):
        for said in evaluation.understand_lines(sys.stdin, matcher, model, language):
            typer.echo(json.dumps(said, ensure_ascii=False))


@app.command("evaluate")
def evaluate_command(
    file: Annotated[Path, typer.Argument(help="label[|label2]⇥lang⇥text")],
    no_nlu: NoNlu = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Measure the understanding on labelled messages."""
    from bot import evaluation

    with _reader(no_nlu) as (matcher, model):
        report = evaluation.evaluate(file, matcher, model)
    if as_json:
        typer.echo(json.dumps(report.as_json(), ensure_ascii=False, indent=1))
        return
    out = Console()
    for table in evaluation.tables(report):
        out.print(table)


@contextmanager
def _reader(no_nlu: bool) -> Iterator[tuple[Matcher, Understanding | None]]:
    from bot.domain import keywords
    from bot.understanding import Understanding

    settings = setting_files.load()
    matcher = partial(keywords.match, words=keywords.load_words(settings.data_dir / "keywords.toml"))
    if no_nlu:
        yield matcher, None
        return
    with nlu_process.start_for(settings.nlu.url, settings.nlu.secret, _line) as running:
        model = Understanding(running.url, running.secret, deadline=30.0)
        try:
            yield matcher, model
        finally:
            model.close()


@data_app.command("check")
def data_check(
    against: Annotated[
        list[Path] | None, typer.Option(help="Refuse lines that stand in this file or folder.")
    ] = None,
) -> None:
    """Count the training data, bound what the lines of an intent share, refuse lines of files given."""
    from bot import training_data

    findings = training_data.check(Path("data/nlu"), against or [])
    Console().print(findings.table())
    for line in findings.faults:
        err.print(line, markup=False, highlight=False, soft_wrap=True)
    if findings.faults:
        raise typer.Exit(1)


@app.command("chat")
def chat_command(
    as_: Annotated[
        str, typer.Option("--as", help="A number in E.164, or a Telegram user id.")
    ] = "+48500100200",
    channel: Annotated[Literal["sms", "whatsapp", "telegram"], typer.Option(help="How.")] = "sms",
    to: Annotated[
        str, typer.Option(help="The address written to; default: the demo's first sender number.")
    ] = "",
) -> None:
    """Talk to the bot in the terminal, through the whole pipeline, on the demo's data."""
    from bot.demo import chat

    chat(person=as_, channel=channel, to=to, line=_line)
