"""The sides of the comparison, one a file: each answers the same MoA request."""

from typing import Protocol


class LibrarySide(Protocol):
    """A way to run 3 proposers and an aggregator inside a program."""

    async def run(self, prompt: str) -> str:
        """The answer, asked for whole."""
        ...

    async def stream(self, prompt: str) -> str:
        """The answer, asked for as a stream."""
        ...

    async def close(self) -> None:
        """Closes its connections."""
        ...


def library_side(name: str, base_url: str) -> LibrarySide:
    """A fresh side by its name; imports no other side's packages."""
    if name == "bare":
        from .bare import Bare

        return Bare(base_url)
    if name == "moakit":
        from .moakit_library import MoakitLibrary

        return MoakitLibrary(base_url)
    if name == "openai":
        from .openai_sdk import OpenAISDK

        return OpenAISDK(base_url)
    raise ValueError(name)
