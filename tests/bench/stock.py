"""Stock Rasa beside us: its REST channel, a rule for each intent, its action server. Speaks to no bot of ours."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from bot import nlu_process
from tests.bench.children import Child, free_port, plain_environment
from tests.bench.texts import NLU_DATA, ROOT, by_intent

HERE = Path(__file__).parent / "stock_rasa"
KEPT = ROOT / "var" / "bench"
ACTION = "action_answer"


def model() -> Path:
    """The baseline's model, trained when the data, the pipeline or the baseline changed."""
    name = hashlib.sha256((nlu_process.model_hash() + Path(__file__).read_text()).encode()).hexdigest()[:16]
    kept = KEPT / f"stock-rasa-{name}.tar.gz"
    if kept.exists():
        return kept
    KEPT.mkdir(parents=True, exist_ok=True)
    for old in KEPT.glob("stock-rasa-*.tar.gz"):
        old.unlink()
    folder = KEPT / "training"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        arguments = ["--config", _config(folder), "--domain", _domain(folder), "--data", NLU_DATA, _rules(folder)]
        command = [*_rasa(), "train", *map(str, arguments), "--out", str(folder), "--fixed-model-name", "stock"]
        done = subprocess.run(command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise nlu_process.NluFailed(f"stock Rasa was not trained: {(done.stderr or done.stdout)[-300:]}")
        (folder / "stock.tar.gz").replace(kept)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return kept


@contextmanager
def running(trained: Path, *, is_mended: bool) -> Iterator[str]:
    """Rasa and its action server for the length of a `with`; the address of the REST channel.

    is_mended: with its schema defect mended (stock_rasa/mended).
    """
    action_port, port = free_port(), free_port()
    environment = _environment(ACTION_PORT=str(action_port), SANIC_HOST="127.0.0.1")
    actions = [str(nlu_process.PYTHON), "-m", "rasa_sdk", "--actions", "actions", "--port", str(action_port)]
    files = ["--endpoints", str(HERE / "endpoints.yml"), "--credentials", str(HERE / "credentials.yml")]
    where = ["--interface", "127.0.0.1", "--port", str(port)]
    rasa = [*_rasa(), "run", "--model", str(trained), *files, *where]
    mended = {"PYTHONPATH": f"{HERE / 'mended'}:{environment['PYTHONPATH']}"} if is_mended else {}
    with Child(actions, environment=environment, folder=HERE) as server, Child(
        rasa, environment=environment | mended, folder=HERE
    ) as bot:
        server.ready_at_port(action_port)
        bot.ready_at_port(port)
        yield f"http://127.0.0.1:{port}/webhooks/rest/webhook"


def _rasa() -> list[str]:
    return [str(nlu_process.PYTHON), "-m", "rasa"]


def _environment(**more: str) -> dict[str, str]:
    """What our own model's process runs with, so that both are served alike."""
    return {**plain_environment(), **nlu_process.SEALED, "HOME": str(nlu_process.VENV), **more}


def _config(folder: Path) -> Path:
    ours = yaml.safe_load((nlu_process.NLU / "config.yml").read_text())
    return _write(folder / "config.yml", ours | {"policies": [{"name": "RulePolicy"}]})


def _domain(folder: Path) -> Path:
    return _write(folder / "domain.yml", {"version": "3.1", "intents": sorted(by_intent()), "actions": [ACTION]})


def _rules(folder: Path) -> Path:
    rules = [
        {"rule": intent, "steps": [{"intent": intent}, {"action": ACTION}]} for intent in sorted(by_intent())
    ]
    return _write(folder / "rules.yml", {"version": "3.1", "rules": rules})


def _write(file: Path, content: object) -> Path:
    file.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return file
