"""The least a hook can do: take the body, check Twilio's signature, answer. Files nothing; only ever a yardstick.

`python -m tests.bench.signature_only PORT`, with the settings of `whosent serve`, on the same server.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import uvicorn
from starlette.types import Receive, Scope, Send

from bot import settings
from bot.channels.twilio import Twilio
from bot.domain.messages import HookRequest


def main(port: int) -> None:
    own = settings.load(env_file=None)
    assert own.twilio is not None
    twilio = Twilio(own.twilio)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        message = await receive()
        body = message["body"]
        while message.get("more_body", False):
            message = await receive()
            body += message["body"]
        request = HookRequest(
            method=scope["method"],
            url=own.web.public_url + scope["path"],
            path=scope["path"],
            query="",
            headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
            body=body,
            source="",
        )
        answer = twilio.read_inbound(request, datetime.now(UTC)).answer
        headers = [
            (b"content-type", answer.media_type.encode()),
            (b"content-length", str(len(answer.body)).encode()),
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    # As `whosent serve` runs it.
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=30,
        lifespan="off",
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
