"""The bare relay as a Starlette application: `python -m benchmarks.sides.relay_starlette UPSTREAM PORT`."""

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from .relay import Relay, asked


def application(base_url: str) -> Starlette:
    """One route, no middleware of its own."""
    relay = Relay(base_url)

    async def chat(request: Request) -> Response:
        wanted = asked.decode(await request.body())
        if wanted.stream:
            return StreamingResponse(relay.events(wanted), media_type="text/event-stream")
        return Response(await relay.answer(wanted), media_type="application/json")

    return Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])])


def main() -> None:
    """Serves until terminated."""
    base_url, port = sys.argv[1:]
    uvicorn.run(application(base_url), port=int(port), lifespan="off", access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
