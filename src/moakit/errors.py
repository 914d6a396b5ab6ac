"""Everything moakit raises, as one tree.

MoaError
├── UserError                    the user's own mistake: nothing was sent
│   ├── ConfigError              a setting, a file or an environment variable
│   │   └── MissingExtra         an optional dependency is not installed
│   ├── ShapeError               layers that do not fit together
│   ├── UnknownModel             no such model, provider or ensemble
│   └── InvalidRequest           a prompt or request that cannot be run
├── CallError                    one call to one model failed
│   ├── RateLimited              429, or no room in time, with `retry_after`
│   ├── AuthenticationFailed     401, 403 or a missing key
│   ├── ContextTooLong           the prompt exceeds the model's window
│   ├── ContentFiltered          refused by the provider's filter
│   ├── ModelTimeout             a timer ran out: connect, first_token, idle or total
│   ├── ConnectionFailed         DNS, TLS, refused, reset
│   └── BadResponse              any other status, or an answer that cannot be used
│       └── SchemaMismatch       an answer that is not in the JSON schema asked for
├── NotEnoughResponses           an exception group with every cause
├── BudgetExceeded               a limit in tokens or dollars was reached
└── DeadlineExceeded             the run, or one of its layers, took too long
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, Self


class MoaError(Exception):
    """Base of every error moakit raises on purpose.

    `hint` is what to do about it, in one line, or None.
    """

    hint: str | None

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint

    @property
    def message(self) -> str:
        """What happened, and to which object."""
        return str(self.args[0])

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross process boundaries; what __init__ takes is not what `args` holds.
        return _restored, (type(self), self.args), self.__dict__


class UserError(MoaError):
    """The user's own mistake; nothing was sent to any model."""


class ConfigError(UserError):
    """A setting, a configuration file or an environment variable is wrong."""


class MissingExtra(ConfigError):
    """An optional dependency is needed and not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs the extra {extra!r}, which is not installed",
            hint=f'in a checkout of moakit: pip install ".[{extra}]"',
        )


class ShapeError(UserError):
    """Layers that do not fit: the references one gives are not those the next takes."""


class UnknownModel(UserError):
    """No model, provider or ensemble has this name."""

    def __init__(self, what: str, name: str, known: Iterable[str] = (), *, hint: str | None = None) -> None:
        near = nearest(name, known)
        if near is not None:
            hint = f"did you mean {near!r}?"
        super().__init__(f"unknown {what} {name!r}", hint=hint)
        self.name = name


class InvalidRequest(UserError):
    """A prompt, or a request to the server, that cannot be run as it is."""

    def __init__(self, message: str, *, param: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.param = param


class CallError(MoaError):
    """One call to one model failed.

    `model` is its full name; `status` the HTTP status, if there was one;
    `retry_after` seconds the provider asked to wait, if it did;
    `should_retry` what the provider said in `x-should-retry`, if it did;
    `code` the provider's own error code.
    """

    def __init__(
        self,
        message: str,
        *,
        model: str = "",
        status: int | None = None,
        retry_after: float | None = None,
        should_retry: bool | None = None,
        code: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.model = model
        self.status = status
        self.retry_after = retry_after
        self.should_retry = should_retry
        self.code = code

    def __str__(self) -> str:
        text = super().__str__()
        return f"{self.model}: {text}" if self.model else text


class RateLimited(CallError):
    """The provider answered 429, or a limit set for it leaves the call no time."""


class AuthenticationFailed(CallError):
    """The provider did not accept the key, or there is none."""


class ContextTooLong(CallError):
    """The prompt does not fit into the model's window.

    `needed` is how many tokens it has, as the provider counted them (or as we estimate them, when nothing was
    sent or the provider gave no number), `window` how many the model takes; `answer` is the part of `needed`
    that was kept for the answer. None where it is unknown.
    """

    def __init__(
        self,
        message: str,
        *,
        needed: int | None = None,
        window: int | None = None,
        answer: int | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(message, **facts)
        self.needed = needed
        self.window = window
        self.answer = answer


class ContentFiltered(CallError):
    """The provider's content filter refused the prompt or the answer."""


class ModelTimeout(CallError):
    """A timer ran out; `timer` is "connect", "first_token", "idle" or "total"."""

    def __init__(self, message: str, *, timer: str, model: str = "", hint: str | None = None) -> None:
        super().__init__(message, model=model, hint=hint)
        self.timer = timer


class ConnectionFailed(CallError):
    """The connection could not be made, or broke before any byte of an answer.

    `reused` says that the connection stood and was closed before a byte of an answer, as a server closes
    a kept-alive one just as it is used again: a client cannot avoid that, and one free retry repairs it.
    """

    def __init__(
        self, message: str, *, model: str = "", reused: bool = False, hint: str | None = None
    ) -> None:
        super().__init__(message, model=model, hint=hint)
        self.reused = reused


class BadResponse(CallError):
    """The answer cannot be used: an error status, or text that is empty, cut or malformed."""


class SchemaMismatch(BadResponse):
    """The answer does not fit the JSON schema that the request asks for, after one repair."""


class NotEnoughResponses(MoaError, ExceptionGroup[Exception]):
    """Fewer usable responses than a layer needs; `exceptions` holds every cause."""

    # An exception group is built by __new__ from (message, exceptions); MoaError takes the message alone.
    def __new__(
        cls,
        message: str,
        exceptions: Sequence[Exception],
        *,
        hint: str | None = None,  # noqa: ARG004 - __init__ keeps it
    ) -> Self:
        """Build the group; at least one cause is needed."""
        return super().__new__(cls, message, exceptions)

    def __init__(self, message: str, exceptions: Sequence[Exception], *, hint: str | None = None) -> None:
        Exception.__init__(self, message, exceptions)
        self.hint = hint

    def derive(self, excs: Sequence[Exception]) -> Self:  # type: ignore[override]
        """Make the group that `split` and `except*` hand out."""
        return type(self)(self.message, excs, hint=self.hint)

    def __str__(self) -> str:
        return f"{self.message}: " + "; ".join(str(cause) for cause in self.exceptions)


class BudgetExceeded(MoaError):
    """A limit in tokens or dollars was reached, and a call was not made.

    `shared` says that other runs spend of it too, as they do of a server key's.
    """

    def __init__(self, message: str, *, shared: bool = False, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.shared = shared


class DeadlineExceeded(MoaError):
    """The run, or the layer at `path`, took longer than it may."""

    def __init__(self, message: str, *, path: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.path = path


def _restored(kind: type[MoaError], args: tuple[Any, ...]) -> MoaError:
    error = kind.__new__(kind, *args)
    error.args = args
    return error


LONGEST_NAME = 1000
"""Characters from which on a name is no misspelt one: comparing it would take long and much memory."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like this one, or None when nothing is close."""
    if len(name) > LONGEST_NAME:
        return None
    matches = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None
