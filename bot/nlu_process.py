"""Lay, train, run and stop the language model's own process. Reads no text and knows no intent.

Rasa needs Python 3.10 and old pins, so it lives in `nlu/.venv` and is reached over loopback only; nothing of
it is imported here.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import select
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import httpx2

from bot.domain.errors import WhosentError

ROOT = Path(__file__).resolve().parent.parent
NLU = ROOT / "nlu"
DATA = ROOT / "data" / "nlu"
MODELS = NLU / "models"
LOCK = NLU / "requirements.lock"
VENV = NLU / ".venv"
PYTHON = VENV / "bin" / "python"
LAID = VENV / "lock.sha256"  # of the lock the environment was laid from; written last

NEEDED_PYTHON = "3.10"
START_WITHIN = 120.0  # seconds; 20 on two cores, more when the files are cold
STOP_WITHIN = 10.0  # seconds

# What the process may know of us: where programs are and how letters are written. No address, no key of ours.
PASSED_ON = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TMPDIR", "LD_LIBRARY_PATH")
SEALED = {
    "RASA_TELEMETRY_ENABLED": "false",
    "RASA_MAX_CACHE_SIZE": "0",  # else it keeps training data in a database of its own
    "PYTHONPATH": str(NLU),
    "PYTHONHASHSEED": "0",
    "PYTHONWARNINGS": "ignore",
    "PYTHONUNBUFFERED": "1",
    "SQLALCHEMY_SILENCE_UBER_WARNING": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "-1",
    "LOG_LEVEL": "WARNING",
    "OMP_NUM_THREADS": "1",
}

COLOUR = re.compile(r"\x1b\[[0-9;]*m")

Progress = Callable[[str], None]


class NoPython(WhosentError):
    """Python 3.10 for the language model was not found: set NLU_PYTHON to one, or install pyenv or uv."""


class NluFailed(WhosentError):
    """The language model's environment, training or process failed."""


@dataclass(frozen=True, slots=True)
class TrainResult:
    """model: the archive. was_trained: False when the one there was still good. seconds: how long it took."""

    model: Path
    was_trained: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Running:
    """Where the model answers. was_started: by us, and stopped by us."""

    url: str
    secret: str
    was_started: bool


def _quiet(line: str) -> None:
    pass


def ensure_environment(progress: Progress = _quiet) -> None:
    """Lay `nlu/.venv` from its hashed lock; at once when it is there already.

    progress: called with one line for each step. Raises NoPython, NluFailed.
    """
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if PYTHON.exists() and LAID.exists() and LAID.read_text() == wanted:
        return
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    python = _find_python(uv)
    progress("language model: laying its environment (2.5 GB)")
    shutil.rmtree(VENV, ignore_errors=True)
    if uv:
        _do([uv, "venv", "--quiet", "--python", python, str(VENV)])
        _do([uv, "pip", "sync", "--quiet", "--require-hashes", "--python", str(PYTHON), str(LOCK)])
    else:
        _do([python, "-m", "venv", str(VENV)])
        _do(
            [str(PYTHON), "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "-r", str(LOCK)]
        )
    LAID.write_text(wanted)
    progress("language model: environment ready")


def model_hash() -> str:
    """Sixteen hex digits that change when the training data, the pipeline, its code or its pins do."""
    files = [NLU / "config.yml", LOCK, *NLU.glob("components/*.py"), *DATA.rglob("*.yml")]
    digest = hashlib.sha256()
    for file in sorted(files):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(ROOT).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def train(force: bool = False, progress: Progress = _quiet) -> TrainResult:
    """Train the model of the data as it is now and remove older ones; nothing to do when it is there.

    force: train even so. progress: called with one line for each step. Raises NoPython, NluFailed.
    """
    ensure_environment(progress)
    name = model_hash()
    model = MODELS / f"{name}.tar.gz"
    if model.exists() and not force:
        return TrainResult(model, was_trained=False, seconds=0.0)
    progress("language model: training")
    started = time.monotonic()
    MODELS.mkdir(exist_ok=True)
    # Into a place of its own and moved in one step: who finds a model by its name finds a whole one.
    fresh = MODELS / f".{name}.{os.getpid()}"
    arguments = ["train", "nlu", "--nlu", str(DATA), "--config", str(NLU / "config.yml"), "--out", str(fresh)]
    try:
        _do([*_rasa(), *arguments, "--fixed-model-name", name], environment=_sealed())
        (fresh / model.name).replace(model)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    for old in MODELS.glob("*.tar.gz"):
        if old != model:
            old.unlink(missing_ok=True)
    seconds = time.monotonic() - started
    progress(f"language model: trained in {seconds:.0f} s")
    return TrainResult(model, was_trained=True, seconds=seconds)


def run(port: int, secret: str, host: str = "127.0.0.1") -> NoReturn:
    """Become the language model's process; trains first when the data changed. Raises NoPython, NluFailed."""
    model = train().model
    os.chdir(NLU)
    os.execve(PYTHON, _serving(model, port, host), _sealed(NLU_SECRET=secret))  # noqa: S606


@contextmanager
def start_for(url: str, secret: str, progress: Progress = _quiet) -> Iterator[Running]:
    """Give the process at `url` if one answers us, else start one on a free loopback port and stop it.

    url: NLU_URL, may be empty. secret: NLU_SECRET; a started process gets a secret of its own.
    Raises NoPython, NluFailed.
    """
    if url and _answers(url, secret):
        yield Running(url, secret, was_started=False)
        return
    model = train(progress=progress).model
    with started(model, progress=progress) as running:
        yield running


@contextmanager
def started(
    model: Path,
    port: int | None = None,
    secret: str | None = None,
    progress: Progress = _quiet,
    heard: Progress = _quiet,
) -> Iterator[Running]:
    """Run the process for the length of a `with`.

    model: the archive. port: a free one when None. secret: a fresh one when None. heard: called with each
    line the process prints. Raises NluFailed.
    """
    port = port or _free_port()
    secret = secret or secrets.token_urlsafe(32)
    progress("language model: starting")
    ready, tell = os.pipe()
    process = subprocess.Popen(  # noqa: S603 - our own command
        _serving(model, port, "127.0.0.1"),
        cwd=NLU,
        env=_sealed(NLU_SECRET=secret, NLU_READY_FD=str(tell)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(tell,),
    )
    os.close(tell)
    said = _Tail(process, heard)
    try:
        _wait_until_ready(ready, said)
        progress("language model: ready")
        yield Running(f"http://127.0.0.1:{port}", secret, was_started=True)
    finally:
        os.close(ready)
        _stop(process)
        said.join()


class _Tail(threading.Thread):
    """Keeps the last lines of a process: its pipe never fills up, and a failed start can say why."""

    def __init__(self, process: subprocess.Popen[bytes], heard: Progress) -> None:
        super().__init__(daemon=True)
        self._process = process
        self._heard = heard
        self._lines: list[str] = []
        self.start()

    def run(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                self._lines = [*self._lines[-4:], line.decode(errors="replace").strip()]
                self._heard(self._lines[-1])

    def last(self) -> str:
        return _last_line(self._lines) or "no word of it"


def _wait_until_ready(ready: int, said: _Tail) -> None:
    """Wait for the line the process writes into its pipe once it answers; the pipe's end means it died."""
    if not select.select([ready], [], [], START_WITHIN)[0]:
        raise NluFailed(f"The language model did not start within {START_WITHIN:.0f} s.")
    if not os.read(ready, 16):
        said.join(timeout=STOP_WITHIN)
        raise NluFailed(f"The language model did not start: {said.last()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=STOP_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _find_python(uv: str | None) -> str:
    """The Python 3.10 to lay the environment with: NLU_PYTHON, pyenv's, the path's, or one uv fetches."""
    named = os.environ.get("NLU_PYTHON")
    if named:
        if _is_needed_python(named):
            return named
        raise NoPython(f"NLU_PYTHON={named} is not a Python {NEEDED_PYTHON}.")
    for candidate in (_of_pyenv(), shutil.which(f"python{NEEDED_PYTHON}")):
        if candidate and _is_needed_python(candidate):
            return candidate
    if uv and _said([uv, "python", "install", NEEDED_PYTHON]) is not None:
        return NEEDED_PYTHON
    raise NoPython


def _of_pyenv() -> str | None:
    pyenv = shutil.which("pyenv")
    prefix = _said([pyenv, "prefix", NEEDED_PYTHON]) if pyenv else None
    return f"{prefix}/bin/python" if prefix else None


def _is_needed_python(python: str) -> bool:
    return (_said([python, "--version"]) or "").startswith(f"Python {NEEDED_PYTHON}.")


def _said(command: Sequence[str]) -> str | None:
    """What a program prints, or None when it fails or is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _rasa() -> list[str]:
    return [str(PYTHON), "-m", "rasa"]


def _serving(model: Path, port: int, host: str) -> list[str]:
    # No --enable-api: it would let anyone who reaches the port replace the model.
    where = ["--interface", host, "--port", str(port)]
    return [*_rasa(), "run", "--model", str(model), "--credentials", str(NLU / "credentials.yml"), *where]


def _sealed(**more: str) -> dict[str, str]:
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    # A home of its own: Rasa writes a file into it.
    return {**passed_on, "HOME": str(VENV), **SEALED, **more}


def _do(command: Sequence[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(  # noqa: S603 - our own command
        command,
        cwd=NLU,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = _last_line(done.stdout.splitlines())
        raise NluFailed(f"{Path(command[0]).name} {command[1]} {command[2]} failed: {said}")


def _last_line(lines: Sequence[str]) -> str:
    plain = (COLOUR.sub("", line).strip() for line in reversed(lines))
    return next((line for line in plain if line), "")


def _answers(url: str, secret: str) -> bool:
    """Whether a process there takes our secret; one that is somebody else's would read nothing for us."""
    try:
        answer = httpx2.post(
            f"{url.rstrip('/')}/webhooks/parse/",
            json={"texts": ["?"]},
            headers={"Authorization": f"Bearer {secret}"},
            timeout=2.0,
            trust_env=False,
        )
    except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeEncodeError):
        return False
    return answer.status_code == 200


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
