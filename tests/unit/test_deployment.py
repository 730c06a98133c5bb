"""Hold the files of a deployment to the program, word by word. Runs no container engine."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr
from typer.testing import CliRunner

from bot import nlu_process, settings
from bot.domain.errors import BadSetting

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
OURS = [name for name, service in SERVICES.items() if service["image"] == "whosent-bot"]

GIVEN = {"POSTGRES_PASSWORD": "4f0c9b7e1d2a", "WHOSENT_NLU_SECRET": "pQ7-vR2_kLm9xTz4wYb1"}
"""What an operator sets in .env before anything starts."""

WHOLE = {
    "WHOSENT_NLU_SECRET": "pQ7-vR2_kLm9xTz4wYb1",
    "WHOSENT_TWILIO_ACCOUNT_SID": "AC" + "1f2e3d4c" * 4,
    "WHOSENT_TWILIO_AUTH_TOKEN": "9b1d4f7a2c5e8036b4d7f1a2",
    "WHOSENT_SMSAPI_TOKEN": "tR5wQ8zLm2Kx7Vb4Np1J",
    "WHOSENT_SMSAPI_CALLBACK_SECRET": "jH3-fD6_sA9qWe1rTy5uIo",
    "WHOSENT_TELEGRAM_TOKEN": "1234567:Ab3dEf6hIj9lMn2pQr5tUv8x",
    "WHOSENT_TELEGRAM_WEBHOOK_SECRET": "zX8cV5bN2mA7sD4fG1hJ",
    "WHOSENT_API_TOKENS": "feed:qW3eR6tY9uI2oP5aS8dF",
    "WHOSENT_SMTP_URL": "smtp://bot:kL4jH7gF@mail.example.org:587",
    "WHOSENT_MAIL_FROM": "bot@example.org",
}
"""Settings that a start accepts, with every channel; one of them is then put back to its example."""

STRANGE = re.compile(
    r"/[r]oot/|(?<![\w.~-])/[w]ork/|/[h]ome/\w+/|--(extra-)?[i]ndex-url|--[f]ind-links|[p]ythonhosted|[p]ypi\.org/simple"
)
"""Where things lie and packages come from is each machine's own. The brackets keep it from finding itself."""


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings.NAMES & os.environ.keys():
        monkeypatch.delenv(name)


def examples() -> dict[str, tuple[str, str]]:
    """Each variable of .env.example with the line above it and its value, set or not."""
    found = {}
    lines = EXAMPLE.splitlines()
    for above, line in pairwise(lines):
        said = re.fullmatch(r"#?(WHOSENT_\w+)=(.*)", line)
        if said:
            found[said[1]] = (above.removeprefix("# "), said[2])
    return found


def filled(value: str, given: dict[str, str]) -> str:
    """A value as compose fills it in. Raises KeyError for what an operator was not asked for."""
    return re.sub(r"\$\{(\w+):\?[^}]*\}", lambda match: given[match[1]], value)


def copied(dockerfile: Path) -> list[tuple[list[str], str]]:
    """What a Dockerfile takes from the checkout, and where to."""
    text = dockerfile.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [shlex.split(line) for line in text.splitlines() if line.startswith("COPY ")]
    return [(line[1:-1], line[-1]) for line in lines if not line[1].startswith("--from")]


def last(dockerfile: Path, instruction: str) -> str:
    text = dockerfile.read_text(encoding="utf-8").replace("\\\n", " ")
    found = [line for line in text.splitlines() if line.startswith(instruction + " ")]
    return found[-1].removeprefix(instruction)


# --- .env.example ------------------------------------------------------------------------------------


def test_the_example_names_every_setting_and_no_other() -> None:
    assert set(examples()) == settings.NAMES


@pytest.mark.parametrize(("name", "help_"), settings.help_lines())
def test_the_example_explains_a_setting_in_its_own_words(name: str, help_: str) -> None:
    assert examples()[name][0] == help_


def fields() -> list[tuple[str, Any]]:
    return [(settings.PREFIX + n.upper(), f) for n, f in settings._Environment.model_fields.items()]


SECRETS = [
    name for name, f in fields() if f.annotation is SecretStr and name != "WHOSENT_REDIS_URL"
] + ["WHOSENT_TWILIO_ACCOUNT_SID"]  # fmt: skip


@pytest.mark.parametrize(("name", "field"), [(n, f) for n, f in fields() if n not in SECRETS])
def test_the_example_shows_the_default_of_what_is_no_secret(name: str, field: Any) -> None:
    default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    shown = {None: "", False: "false"}.get(default, str(default)) if not isinstance(default, str) else default
    assert examples()[name][1] == shown


def test_a_whole_set_of_real_secrets_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in WHOLE.items():
        monkeypatch.setenv(name, value)
    read = settings.load(None)
    assert None not in (read.twilio, read.smsapi, read.telegram)


@pytest.mark.parametrize("name", SECRETS)
def test_the_start_refuses_a_secret_left_at_its_example(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for other, value in WHOLE.items():
        monkeypatch.setenv(other, value)
    monkeypatch.setenv(name, examples()[name][1])
    with pytest.raises(BadSetting, match=f"^{name}: "):
        settings.load(None)


def test_an_example_that_was_only_copied_stops_the_start(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text(EXAMPLE)
    with pytest.raises(BadSetting, match="example value"):
        settings.load(str(env))


# --- docker-compose.yml ------------------------------------------------------------------------------


def test_every_part_has_its_service() -> None:
    assert {"postgres", "redis", "nlu", "web", "worker", "migrate"} <= set(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_sets_no_variable_that_nobody_reads(service: str) -> None:
    ours = {name for name in SERVICES[service].get("environment", {}) if name.startswith(settings.PREFIX)}
    assert ours <= settings.NAMES


@pytest.mark.parametrize("service", OURS)
def test_a_service_starts_with_what_compose_gives_it(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for name, value in {**GIVEN, **SERVICES[service]["environment"]}.items():
        monkeypatch.setenv(name, filled(value, GIVEN))
    monkeypatch.setenv("WHOSENT_DATA_DIR", str(ROOT / "data"))
    read = settings.load(None)
    assert read.ledger.url.startswith("postgresql+psycopg://whosent:")
    assert read.nlu.url == "http://nlu:5005"


def test_compose_asks_only_for_what_the_example_tells_to_set() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    told = set(re.findall(r"^(\w+)=", EXAMPLE, re.MULTILINE))
    assert set(re.findall(r"\$\{(\w+)", text)) <= told


def test_no_secret_stands_in_compose() -> None:
    telling = re.compile(r"(password|secret|token|_key)s?$", re.IGNORECASE)
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if telling.search(name) or "@" in value:
                assert "${" in value, name
                assert ":-" not in value, f"{name} has a secret for all who set none"


@pytest.mark.parametrize("service", OURS)
def test_a_service_runs_a_command_that_there_is(service: str) -> None:
    """`--help` after the arguments: a wrong option or argument is refused before the help is shown."""
    from bot.cli import app

    command = [part for part in SERVICES[service]["command"] if part != "--help"]
    told = CliRunner().invoke(app, [*command, "--help"])
    assert told.exit_code == 0, told.output
    assert "Usage:" in told.output
    options = {part for part in command if part.startswith("--")}
    assert all(option in told.output for option in options)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_cannot_write_into_its_image(service: str) -> None:
    assert SERVICES[service]["read_only"] is True
    assert "no-new-privileges:true" in SERVICES[service]["security_opt"]
    assert "privileged" not in SERVICES[service]


@pytest.mark.parametrize("service", [name for name in SERVICES if name not in ("migrate", "admin")])
def test_a_service_says_whether_it_is_well(service: str) -> None:
    check = SERVICES[service]["healthcheck"]
    if service == "worker":
        assert check == {"disable": True}  # it listens nowhere; its queues' age is told at /metrics
        return
    assert check["test"][0] == "CMD"
    asked = re.search(r"http://127\.0\.0\.1:\d+(/[\w/]+)", " ".join(check["test"]))
    if asked:
        code = "".join(p.read_text() for p in (ROOT / "bot/web/app.py", ROOT / "nlu/parse_channel.py"))
        assert f'"/{asked[1].rsplit("/", 1)[-1]}"' in code


def test_the_model_has_no_way_out_and_reaches_no_store() -> None:
    nlu = set(SERVICES["nlu"]["networks"])
    assert all(COMPOSE["networks"][network]["internal"] for network in nlu)
    for store in ("postgres", "redis"):
        assert nlu.isdisjoint(SERVICES[store]["networks"])
    assert nlu <= set(SERVICES["worker"]["networks"])
    assert "env_file" not in SERVICES["nlu"]
    assert set(SERVICES["nlu"]["environment"]) == {"NLU_SECRET"}


def test_the_store_is_reached_from_inside_only() -> None:
    for store in ("postgres", "redis", "nlu", "worker"):
        assert "ports" not in SERVICES[store]
    assert COMPOSE["networks"]["store"]["internal"]
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["web"]["ports"])


def test_the_schema_is_made_once_before_anything_reads_it() -> None:
    assert SERVICES["migrate"]["command"] == ["migrate"]
    for service in ("web", "worker"):
        after = SERVICES[service]["depends_on"]["migrate"]
        assert after == {"condition": "service_completed_successfully"}


def test_only_the_operators_own_commands_may_write_the_keys() -> None:
    mounted = {name: SERVICES[name]["volumes"] for name in OURS}
    assert {name for name, volumes in mounted.items() if "keys:/keys" in volumes} == {"admin"}


# --- images ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_copies_what_there_is_in_every_clone(dockerfile: Path) -> None:
    sources = [source for taken, _ in copied(dockerfile) for source in taken]
    assert sources
    for source in sources:
        assert committed(source), f"{source} is in no clone"


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_takes_only_what_is_let_through_to_the_engine(dockerfile: Path) -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_through = {line[1:] for line in ignored if line.startswith("!")}
    assert {source.split("/")[0] for taken, _ in copied(dockerfile) for source in taken} <= let_through


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_is_not_run_as_root_and_takes_only_what_the_lock_vouches_for(dockerfile: Path) -> None:
    assert int(last(dockerfile, "USER")) > 0
    text = dockerfile.read_text(encoding="utf-8").replace("\\\n", " ")
    installing = [line for line in text.splitlines() if re.search(r"uv pip (install|sync)", line)]
    assert installing
    assert all("--require-hashes" in line for line in installing)


def test_the_copied_files_are_all_that_the_bot_needs(tmp_path: Path) -> None:
    for sources, to in copied(ROOT / "docker/bot.Dockerfile"):
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, tmp_path / to, ignore=shutil.ignore_patterns("__pycache__"))
    env = {"PATH": os.environ["PATH"], "WHOSENT_KEYS_FILE": str(tmp_path / "keys.json")}
    env["WHOSENT_DATABASE_URL"] = f"sqlite:///{tmp_path}/whosent.db"
    entry = [sys.executable, *json.loads(last(ROOT / "docker/bot.Dockerfile", "ENTRYPOINT"))[1:]]
    for command in (["keys", "create", str(tmp_path / "keys.json")], SERVICES["migrate"]["command"]):
        done = subprocess.run([*entry, *command], cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "whosent.db").exists()


def test_the_model_is_started_in_its_image_as_outside() -> None:
    file = ROOT / "docker/nlu.Dockerfile"
    model = Path("/app/nlu/models/model.tar.gz")
    outside = [str(part) for part in nlu_process._serving(model, 5005, "0.0.0.0")]
    inside = json.loads(last(file, "CMD"))
    moved = [part.replace(str(nlu_process.PYTHON), "/venv/bin/python") for part in outside]
    assert inside == [part.replace(str(nlu_process.NLU), "/app/nlu") for part in moved]


def test_the_model_is_sealed_in_its_image_as_outside() -> None:
    inside = dict(part.split("=", 1) for part in shlex.split(last(ROOT / "docker/nlu.Dockerfile", "ENV")))
    outside = {**nlu_process.SEALED, "PYTHONPATH": "/app/nlu"}
    assert {name: inside.get(name) for name in outside} == outside


# --- what is committed -------------------------------------------------------------------------------


def committed(*under: str) -> list[str]:
    """The files of a clone. Skips where the sources are no clone."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("no clone: nothing is committed here")
    listing = ["git", "ls-files", "-z", "--", *under]
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True)
    return [name for name in listed.stdout.decode().split("\0") if name]


@pytest.mark.parametrize(
    "halves", ["see /|work/a", "cd /|root/x", "in /|home/ann/x", "--|index-url x", "--|find-links x"]
)
def test_what_is_of_one_machine_is_seen(halves: str) -> None:
    assert STRANGE.search(halves.replace("|", ""))


@pytest.mark.parametrize("line", ["--no-emit-index-url", "nlu/work/x", "the /home page", "root/x"])
def test_what_is_of_every_machine_is_let_be(line: str) -> None:
    assert not STRANGE.search(line)


def test_no_committed_file_knows_a_machine_or_where_packages_come_from() -> None:
    found = []
    for name in committed():
        file = ROOT / name
        if not file.is_file():
            continue  # deleted, not committed yet
        text = file.read_text(encoding="utf-8", errors="replace")
        found += [f"{name}: {match[0]}" for match in STRANGE.finditer(text)]
    assert not found


def test_no_secret_file_is_committed() -> None:
    telling = re.compile(r"(^|/)(\.env|keys.*\.json|.*\.(pem|key|db|sqlite3?))$")
    assert not [name for name in committed() if telling.search(name)]
