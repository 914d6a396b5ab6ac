"""The bare relay as a raw ASGI application: `python -m benchmarks.sides.relay_raw UPSTREAM PORT`."""

import sys
from typing import Any

import uvicorn

from .relay import Relay, asked


class App:
    """Three messages of ASGI and nothing else: every path is the chat completions route."""

    def __init__(self, base_url: str) -> None:
        self.relay = Relay(base_url)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        request = asked.decode(body)
        if not request.stream:
            data = await self.relay.answer(request)
            headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data))]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": data})
            return
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async for event in self.relay.events(request):
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def main() -> None:
    """Serves until terminated."""
    base_url, port = sys.argv[1:]
    uvicorn.run(App(base_url), port=int(port), lifespan="off", access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
