"""The language model itself: trained, started as its own process, asked over loopback, stopped."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from bot import nlu_process
from bot.nlu_process import NluFailed, NoPython, Running
from bot.understanding import INTENTS, REPORTED_AS, Understanding

# The first of them lays the environment and trains, which takes minutes on a fresh machine.
pytestmark = [pytest.mark.nlu, pytest.mark.timeout(900), pytest.mark.xdist_group("nlu")]

CANARY = "kanarekwtekscie"


@dataclass
class Model:
    running: Running
    path: Path
    printed: list[str] = field(default_factory=list)

    def post(self, body: object, secret: str | None = None) -> httpx2.Response:
        return httpx2.post(
            f"{self.running.url}/webhooks/parse/",
            content=body if isinstance(body, bytes) else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.running.secret if secret is None else secret}"},
            timeout=10,
            trust_env=False,
        )


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    path = nlu_process.train().model
    printed: list[str] = []
    with nlu_process.started(path, heard=printed.append) as running:
        yield Model(running, path, printed)


@pytest.fixture
def understanding(model: Model) -> Iterator[Understanding]:
    understanding = Understanding(model.running.url, model.running.secret, deadline=10)
    yield understanding
    understanding.close()


def in_nlu(program: str, argument: str) -> subprocess.CompletedProcess[str]:
    """Run a few lines in the model's own environment."""
    command = [str(nlu_process.PYTHON), "-c", program, argument]
    return subprocess.run(command, env=nlu_process._sealed(), capture_output=True, text=True, check=False)


# --- what it understands ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("proszę więcej nie przysyłać mi tych smsów", "opt_out"),
        ("please stop sending me these messages", "opt_out"),
        ("kto wysłał mi tę wiadomość", "who_sent"),
        ("who sent me this message", "who_sent"),
        ("how long do you keep my data", "faq/retention"),
        ("chcę porozmawiać z człowiekiem", "human"),
    ],
)
def test_plain_wishes_are_understood(understanding: Understanding, text: str, intent: str) -> None:
    (reading,) = understanding.read([text])
    assert reading is not None
    assert reading.intent == intent


def test_every_intent_it_was_trained_on_has_a_name_outside(understanding: Understanding) -> None:
    files = sorted(nlu_process.DATA.rglob("*.yml"))
    every = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()[::40]]
    texts = [line.removeprefix("    - ").strip() for line in every if line.startswith("    - ")]
    readings = understanding.read(texts)
    assert len(texts) > 100
    assert None not in readings
    assert {reading.intent for reading in readings if reading} <= INTENTS | REPORTED_AS.keys()


def test_a_batch_reads_as_its_texts_do_one_by_one(understanding: Understanding) -> None:
    texts = ["kto to", "stop it please", "🙂", "a", "ґ" * 900, "usuńcie moje dane", "видаліть мій номер"]
    together = understanding.read(texts)
    for text, reading in zip(texts, together, strict=True):
        (alone,) = understanding.read([text])
        assert reading is not None
        assert alone is not None
        assert alone.intent == reading.intent
        assert alone.confidence == pytest.approx(reading.confidence, abs=1e-4)


def test_the_model_is_named_by_its_data(understanding: Understanding, model: Model) -> None:
    (reading,) = understanding.read(["kto to"])
    assert reading is not None
    assert model.path.name == f"{reading.model}.tar.gz"


# --- who may ask, and what ------------------------------------------------------------------------------


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", "Bearer ż", "Basic wrong"])
def test_nobody_is_answered_without_the_secret(model: Model, authorization: str) -> None:
    answer = httpx2.post(
        f"{model.running.url}/webhooks/parse/",
        json={"texts": ["kto to"]},
        headers={"Authorization": authorization.encode()},
        trust_env=False,
    )
    assert (answer.status_code, answer.json()) == (401, {})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"texts": "kto"}',
        b'{"texts": []}',
        b'{"texts": [1]}',
        b'{"texts": [null]}',
        json.dumps({"texts": ["a"] * 65}).encode(),
        json.dumps({"texts": ["a" * 1001]}).encode(),
    ],
)
def test_what_is_not_agreed_is_refused(model: Model, body: bytes) -> None:
    answer = model.post(body)
    assert (answer.status_code, answer.json()) == (400, {})


@pytest.mark.parametrize("order", ["/opt_out", '/opt_out{"sender": "x"}', "  /opt_out@1.0", "\u2003/opt_out"])
def test_an_order_in_rasas_own_words_is_only_a_text(model: Model, order: str) -> None:
    (reading,) = model.post({"texts": [order]}).json()["readings"]
    assert reading["confidence"] < 1
    assert len(reading["ranking"]) == 5
    assert reading["entities"] == []


@pytest.mark.parametrize("path", ["/model", "/model/parse", "/status", "/domain", "/conversations/a/tracker"])
def test_rasas_own_doors_are_shut(model: Model, path: str) -> None:
    assert httpx2.get(model.running.url + path, trust_env=False).status_code == 404
    assert httpx2.put(model.running.url + path, json={}, trust_env=False).status_code == 404


def test_no_text_is_printed_at_the_loudest(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(nlu_process.SEALED, "LOG_LEVEL", "DEBUG")
    printed: list[str] = []
    with nlu_process.started(model.path, heard=printed.append) as running:
        loud = Model(running, model.path)
        lines_before = len(printed)
        assert loud.post({"texts": [CANARY, f"/{CANARY}", f'/opt_out{{"{CANARY}']}).status_code == 200
        assert loud.post(f'{{"texts": ["{CANARY}'.encode()).status_code == 400
        assert loud.post({"texts": [{CANARY: 1}]}).status_code == 400
        assert loud.post({"texts": [CANARY * 200]}).status_code == 400
        httpx2.get(f"{running.url}/webhooks/{CANARY}", trust_env=False)
        httpx2.get(f"{running.url}/webhooks/parse/?{CANARY}", trust_env=False)
    assert len(printed) > lines_before, "it does print at this level, else this test shows nothing"
    assert CANARY not in "\n".join(printed)


LOG_A_TEXT = """
import logging, sys, warnings
import structlog
from parse_channel import seal_logs
from rasa.utils.log_utils import configure_structlog

text = sys.argv[1]
configure_structlog(logging.DEBUG)
seal_logs()
logging.getLogger("rasa.core.processor").warning("cannot read %s", text)
structlog.get_logger("rasa.core.processor").error("processor.failed", event_info=text)
warnings.warn(text)
try:
    raise KeyError(text)
except KeyError:
    logging.getLogger("sanic.error").exception(text, stack_info=True)
"""


def test_what_rasa_logs_of_a_text_becomes_a_place_and_a_kind_of_error(model: Model) -> None:
    done = in_nlu(LOG_A_TEXT, CANARY)
    assert "rasa.core.processor:" in done.stdout
    assert "KeyError" in done.stdout
    assert CANARY not in done.stdout + done.stderr


def test_it_knows_nothing_of_our_secrets(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHOSENT_KEYS_FILE", "/somewhere")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    environment = nlu_process._sealed(NLU_SECRET="s")
    assert not any(name.startswith("WHOSENT") or "PROXY" in name for name in environment)
    assert environment["RASA_TELEMETRY_ENABLED"] == "false"
    assert environment["HOME"] == str(nlu_process.VENV), "Rasa writes a file there"


# --- its process -----------------------------------------------------------------------------------------


def test_a_model_of_unchanged_data_is_not_trained_again(model: Model) -> None:
    again = nlu_process.train()
    assert (again.model, again.was_trained) == (model.path, False)
    assert [file.name for file in nlu_process.MODELS.glob("*.tar.gz")] == [model.path.name]


def test_changed_data_is_another_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(nlu_process, "ROOT", tmp_path)
    monkeypatch.setattr(nlu_process, "NLU", tmp_path / "nlu")
    monkeypatch.setattr(nlu_process, "DATA", tmp_path / "data")
    monkeypatch.setattr(nlu_process, "LOCK", tmp_path / "nlu" / "lock")
    for file in ("nlu/config.yml", "nlu/lock", "nlu/components/a.py", "data/pl/a.yml"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("one")
    hashes = {nlu_process.model_hash()}
    for file in ("nlu/config.yml", "nlu/lock", "nlu/components/a.py", "data/pl/a.yml", "data/uk/b.yml"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("two")
        hashes.add(nlu_process.model_hash())
    assert len(hashes) == 6


def test_a_process_that_answers_is_used_and_left_running(model: Model) -> None:
    with nlu_process.start_for(model.running.url, model.running.secret) as found:
        assert found == Running(model.running.url, model.running.secret, was_started=False)
    assert model.post({"texts": ["kto"]}).status_code == 200


def test_a_process_of_somebody_else_is_not_used(model: Model) -> None:
    with nlu_process.start_for(model.running.url, "another-secret-entirely") as found:
        assert found.was_started
        assert found.url != model.running.url


def test_it_stops_cleanly(model: Model) -> None:
    with nlu_process.started(model.path) as running:
        assert httpx2.get(f"{running.url}/webhooks/parse/health", trust_env=False).status_code == 200
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{running.url}/webhooks/parse/health", trust_env=False)


def test_a_start_that_fails_says_why_in_one_line(model: Model) -> None:
    start = nlu_process.started(model.path, secret="short")
    with pytest.raises(NluFailed, match=r"NLU_SECRET is shorter than 16 characters\.$"), start:
        pass


def test_a_missing_python_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NLU_PYTHON", "/no/such/python")
    with pytest.raises(NoPython, match="NLU_PYTHON"):
        nlu_process._find_python(None)
    monkeypatch.delenv("NLU_PYTHON")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NoPython) as missing:
        nlu_process._find_python(None)
    assert "Python 3.10" in str(missing.value)
    assert "\n" not in str(missing.value)


TRAIN_TWICE = """
import hashlib, pathlib, sys, tempfile
from components.linear_intents import LinearIntents
from rasa.engine.storage.local_model_storage import LocalModelStorage
from rasa.engine.storage.resource import Resource
from rasa.shared.nlu.training_data.loading import load_data

data = load_data(sys.argv[1])
digests = []
for _ in range(2):
    with tempfile.TemporaryDirectory() as place:
        storage = LocalModelStorage(pathlib.Path(place))
        component = LinearIntents(LinearIntents.get_default_config(), storage, Resource("a"))
        resource = component.train(training_data=data)
        with storage.read_from(resource) as kept:
            digests.append([hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(kept.iterdir())])
assert len(digests[0]) == 2
print("same" if digests[0] == digests[1] else "different")
"""


def test_training_twice_gives_the_same_model(model: Model, tmp_path: Path) -> None:
    few = tmp_path / "few.yml"
    lines = {
        "opt_out": ("nie pisz", "przestań pisać", "stop sms"),
        "who_sent": ("kto to", "kto pisze", "kto wysłał"),
        "thanks": ("dzięki", "dziękuję bardzo", "dzieki wielkie"),
    }
    few.write_text(
        'version: "3.1"\nnlu:\n'
        + "".join(
            f"- intent: {intent}\n  examples: |\n" + "".join(f"    - {line}\n" for line in texts)
            for intent, texts in lines.items()
        ),
        encoding="utf-8",
    )
    done = in_nlu(TRAIN_TWICE, str(few))
    assert done.stdout.strip().endswith("same"), done.stderr[-500:]
