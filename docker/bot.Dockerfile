# The bot: web, worker and every other command. Holds no secret, no key and no language model.
FROM python:3.11-slim-bookworm AS build
ARG UV_VERSION=0.13.9
RUN pip install --no-cache-dir uv==${UV_VERSION}
WORKDIR /build
COPY pyproject.toml requirements.lock ./
# What pyproject.toml asks for, in the versions and with the hashes of the lock; the developers' tools stay out.
RUN python -m venv --without-pip /venv \
 && uv pip install --no-cache --compile-bytecode --require-hashes --python /venv/bin/python \
    --requirement pyproject.toml --constraint requirements.lock

FROM python:3.11-slim-bookworm
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# A new volume takes over the owner of the folder it is mounted on, so those of the keys and of the audit heads are made here.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin whosent \
 && install -d -o whosent -m 0700 /keys /audit
WORKDIR /app
COPY --from=build /venv /venv
COPY bot bot
COPY actions actions
COPY data data
# Nothing is written at run time, so what is not compiled here is compiled anew at each start (21 s instead of 7, on two cores).
RUN python -m compileall -q bot actions
USER 10001
EXPOSE 8000
ENTRYPOINT ["python", "-m", "bot"]
CMD ["--help"]
