# The language model: Rasa, our parse channel and one trained model. Holds nothing of the bot and knows no address.
FROM python:3.10-slim-bookworm AS build
ARG UV_VERSION=0.13.9
RUN pip install --no-cache-dir uv==${UV_VERSION}
WORKDIR /app/nlu
COPY nlu/requirements.lock ./
# Nothing is written at run time, so what is not compiled here is compiled anew at each start.
RUN uv venv /venv \
 && uv pip sync --no-cache --compile-bytecode --require-hashes --python /venv/bin/python requirements.lock
COPY nlu/config.yml nlu/credentials.yml nlu/parse_channel.py ./
COPY nlu/components components
COPY data/nlu /app/data/nlu
RUN /venv/bin/python -m compileall -q /app/nlu
ENV RASA_TELEMETRY_ENABLED=false RASA_MAX_CACHE_SIZE=0 PYTHONPATH=/app/nlu PYTHONHASHSEED=0 \
    PYTHONWARNINGS=ignore PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1 CUDA_VISIBLE_DEVICES=-1
RUN /venv/bin/python -m rasa train nlu --nlu /app/data/nlu --config /app/nlu/config.yml \
    --out /app/nlu/models --fixed-model-name model

FROM python:3.10-slim-bookworm
# As bot/nlu_process.py seals the process outside of containers; a test holds the two together.
ENV RASA_TELEMETRY_ENABLED=false RASA_MAX_CACHE_SIZE=0 PYTHONPATH=/app/nlu PYTHONHASHSEED=0 \
    PYTHONWARNINGS=ignore PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1 \
    CUDA_VISIBLE_DEVICES=-1 SQLALCHEMY_SILENCE_UBER_WARNING=1 TF_CPP_MIN_LOG_LEVEL=3 LOG_LEVEL=WARNING \
    HOME=/tmp
RUN useradd --uid 10002 --no-create-home --shell /usr/sbin/nologin nlu
WORKDIR /app/nlu
COPY --from=build /venv /venv
COPY --from=build /app/nlu /app/nlu
USER 10002
EXPOSE 5005
CMD ["/venv/bin/python", "-m", "rasa", "run", "--model", "/app/nlu/models/model.tar.gz", \
     "--credentials", "/app/nlu/credentials.yml", "--interface", "0.0.0.0", "--port", "5005"]
