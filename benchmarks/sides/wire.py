"""The least of OpenAI's wire format that a bare side has to read and write."""

import msgspec


class Message(msgspec.Struct):
    """A message, or a piece of one."""

    content: str | None = None


class WholeChoice(msgspec.Struct):
    """A choice of a whole answer."""

    message: Message


class Whole(msgspec.Struct):
    """A whole answer."""

    choices: list[WholeChoice]


class ChunkChoice(msgspec.Struct):
    """A choice of a chunk."""

    delta: Message


class Chunk(msgspec.Struct):
    """A chunk of a stream."""

    choices: list[ChunkChoice]


whole = msgspec.json.Decoder(Whole)
chunk = msgspec.json.Decoder(Chunk)
encode = msgspec.json.Encoder().encode

INSTRUCTIONS = (
    "You have been provided with a set of responses from various models to the latest user query. Synthesize "
    "them into a single, high-quality response. Judge them critically: some may be wrong."
)


def request(model: str, prompt: str, references: list[str] | None = None, *, stream: bool = False) -> bytes:
    """A chat completion request, the references in the user's turn."""
    messages = [{"role": "user", "content": prompt}]
    if references:
        listed = "\n\n".join(
            f"<response {at}>\n{text}\n</response {at}>" for at, text in enumerate(references, 1)
        )
        messages = [
            {"role": "system", "content": INSTRUCTIONS},
            {"role": "user", "content": f"{prompt}\n\n{listed}"},
        ]
    body: dict[str, object] = {"model": model, "messages": messages}
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return encode(body)


class Events:
    """Splits network reads at blank lines; every read gives the text of the chunks it completed."""

    def __init__(self) -> None:
        self.rest = b""

    def text(self, data: bytes) -> str:
        """The text of the events that this read completed."""
        *events, self.rest = (self.rest + data).split(b"\n\n")
        chunks = [chunk.decode(event[6:]) for event in events if event != b"data: [DONE]"]
        return "".join([choice.delta.content or "" for found in chunks for choice in found.choices])
