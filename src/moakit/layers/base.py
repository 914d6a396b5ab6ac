"""What every layer is: one `forward` to write, everything else given."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from moakit.errors import ConfigError, MoaError, ShapeError
from moakit.layers.sampling import checked_parameters
from moakit.layers.summary import Plan, Summary, summarize
from moakit.policies.settings import NO_SETTINGS, Settings
from moakit.run import background
from moakit.run.journey import Journey
from moakit.run.scope import References, Run
from moakit.run.stream import Stream
from moakit.types import Answer, Prompt, Response, as_prompt, as_references

if TYPE_CHECKING:
    from moakit.layers.picture import Link
    from moakit.run.purse import LastCall

Given: TypeAlias = Sequence[Response | str | Mapping[str, Any]]
"""References that a run is given: responses, texts, or mappings with `output`."""


class Layer:
    """One step of an ensemble: references in, references out.

    Write `forward` (and `shape`, if it is known) and the layer can stand anywhere. Layers kept in attributes,
    alone or in a list, are its children: they are found, shown, addressed and summed up without further code.
    A layer holds no state of a run: one ensemble serves all runs at once.

    >>> class First(Layer):
    ...     async def forward(self, prompt, references, run):
    ...         return references[:1]
    ...     def shape(self, references):
    ...         return 1
    >>> First()
    First()
    """

    settings: Settings = NO_SETTINGS
    leaf: ClassVar[bool] = False
    """Whether it has no layers inside and tells of itself by its calls."""
    keeps_deadline: ClassVar[bool] = False
    """Whether `forward` itself ends in time, with what it has."""

    async def forward(self, prompt: Prompt, references: References, run: Run) -> Sequence[Response]:
        """Return this layer's responses.

        `prompt` is the conversation, `references` the responses of the layer before (empty for the first),
        `run` this run: `await run(layer, prompt, references)` runs a layer inside this one.
        """
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def shape(self, references: int | None) -> int | None:
        """Return how many responses come out when this many references go in; None is "known when it runs".

        Raises `ShapeError` when that many cannot go in.
        """
        del references
        return None

    def children(self) -> tuple[Layer, ...]:
        """Return the layers inside this one, in the order of their addresses."""
        found: list[Layer] = []
        for value in vars(self).values():
            if isinstance(value, Layer):
                found.append(value)
            elif isinstance(value, list | tuple):
                found.extend(item for item in value if isinstance(item, Layer))
        return tuple(found)

    def resumes(self) -> bool:
        """Say whether, at the tail, it goes on from a tool's result without references; by default not."""
        return False

    def planned(self) -> tuple[Layer, ...]:
        """Return the children a run asks when nothing fails; by default all."""
        return self.children()

    def plan(self, references: int | None = 0) -> Plan:
        """Return the calls and sequential steps of one run that is given this many references.

        By default the children's, one after another. None is "known when it runs": then the fewest.
        """
        plans = [child.plan(references) for child in self.planned()]
        return Plan(sum(plan.calls for plan in plans), sum(plan.steps for plan in plans))

    def last_call(self, prompt: Prompt, references: References, run: Run) -> LastCall | None:
        """Return what the call whose response is this layer's own may take, None when that is not known."""
        from moakit.layers.outlook import last_call

        return last_call(self, prompt, references, run)

    def ending(self, given: Sequence[int], settings: Settings) -> tuple[Layer, list[int]] | None:
        """Return the layer inside whose response is this one's own, and how long the references are it reads.

        `given` are the tokens of this layer's references, `settings` what holds here; None says that there is
        no such layer.
        """
        del given, settings
        return None

    def lengths(self, given: Sequence[int], settings: Settings) -> list[int]:
        """Return the longest that each response may be, in tokens, for references of these lengths.

        By default what the children give, or some of what was given. `settings` are what holds here.
        """
        from moakit.layers.outlook import lengths_inside

        longest = sorted(lengths_inside(self, given, settings) or given, reverse=True)
        return longest[: self.shape(len(given))]

    # Running

    def __call__(self, prompt: str | Prompt, *, references: Given | None = None, **parameters: Any) -> Answer:
        """Run on a prompt and wait for the answer; works in a script and in a notebook cell alike.

        `parameters` are sampling for the final layer: temperature, max_tokens, tools, …; `references` are
        those of `run`. Raises `MoaError`.
        """
        return background.call(self.run(prompt, references=references, **parameters))

    async def run(
        self,
        prompt: str | Prompt,
        *,
        references: Given | None = None,
        extra: Mapping[str, Any] | None = None,
        **parameters: Any,
    ) -> Answer:
        """Run on a string or a list of messages and return the answer.

        `parameters` are sampling for the final layer; `extra` is sent with them as it is. With `references`
        nobody is asked for any: the layer reads these, an ensemble from its first layer that needs some.
        Raises `MoaError`.
        """
        given = self._check(references)
        journey = Journey(name=self.title, parameters=checked_parameters(parameters, extra), given=given)
        return await journey.execute(self, as_prompt(prompt))

    def stream(
        self,
        prompt: str | Prompt,
        *,
        proposers: bool = False,
        answer: bool = True,
        references: Given | None = None,
        extra: Mapping[str, Any] | None = None,
        **parameters: Any,
    ) -> Stream:
        """Return a stream to use in `with` or `async with`; leaving the block cancels every call in flight.

        With `proposers=True` every proposer is streamed too, which costs many times more of this process's
        time than one answer each; with `answer=False` the answer comes whole, for those who read only the
        other events. `references` are those of `run`. Raises `MoaError` when iterated.
        """
        given = self._check(references)
        messages = as_prompt(prompt)
        sampling = checked_parameters(parameters, extra)

        async def start(stream: Stream) -> Answer:
            journey = Journey(
                name=self.title,
                parameters=sampling,
                given=given,
                readers=(stream.read,),
                gate=stream,
                streaming=answer,
                proposers=proposers,
            )
            return await journey.execute(self, messages)

        return Stream(start)

    def shape_given(self, references: int) -> int | None:
        """Return how many responses come out of a run that is given so many references; raises `ShapeError`.

        By default what `shape` says; an ensemble that skips layers then leaves those out.
        """
        return self.shape(references)

    def _check(self, references: Given | None) -> References | None:
        """Return the references that a run is given; raises `ShapeError` unless it ends in one response."""
        given = None if references is None else as_references(references)
        width = self.shape(0) if given is None else self.shape_given(len(given))
        if width is not None and width != 1:
            raise ShapeError(
                f"{self.title or type(self).__name__} ends in {width} responses, not in one",
                hint="end it in an Aggregator or another layer that gives one response",
            )
        return given

    @property
    def title(self) -> str:
        """The name this ensemble was given, or an empty string."""
        return str(getattr(self, "name", "") or "")

    # Looking

    def __len__(self) -> int:
        return len(self.children())

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.children())

    def __getitem__(self, key: int | str) -> Layer:
        """Return a child by its index, or any layer inside by its address, such as "0.2"."""
        if isinstance(key, int):
            return self.children()[key]
        if not isinstance(key, str):
            raise TypeError(f"{type(self).__name__} takes an index or an address, not {key!r}")
        layer: Layer = self
        for step in _steps(key):
            children = layer.children()
            if step >= len(children):
                known = ", ".join(path for path, _ in self.named_layers() if path)
                raise ConfigError(f"there is no layer {key!r}", hint=f"there are: {known}")
            layer = children[step]
        return layer

    def named_layers(self) -> list[tuple[str, Layer]]:
        """Return every layer with its address, this one first as ""."""
        named: list[tuple[str, Layer]] = [("", self)]
        for place, child in enumerate(self.children()):
            named.extend(
                (f"{place}.{path}" if path else str(place), layer) for path, layer in child.named_layers()
            )
        return named

    def summary(self, *, prompt_tokens: int = 500, answer_tokens: int = 500) -> Summary:
        """Return a table that prints itself: shape, calls, steps, and estimates of tokens, dollars, seconds.

        The estimates are for a prompt and for responses of this many tokens.
        """
        return summarize(self, prompt_tokens=prompt_tokens, answer_tokens=answer_tokens)

    def to_mermaid(self) -> str:
        """Return a picture of it: a Mermaid flowchart, which GitHub and notebooks draw."""
        from moakit.layers.picture import to_mermaid

        return to_mermaid(self)

    def _repr_markdown_(self) -> str:
        """Show the picture in a notebook cell, and what a run is planned to take."""
        from moakit.layers.card import to_markdown

        return to_markdown(self)

    def links(self) -> Sequence[Link]:
        """Return how a run goes from one child to another, for the picture; by default nothing is said."""
        return ()

    def options(self) -> dict[str, Any]:
        """Return the settings that the repr and the configuration show, without defaults and children."""
        shown = {
            name: value for name, value in vars(self).items() if not _holds_layers(value) and name[0] != "_"
        }
        settings: Settings = shown.pop("settings", NO_SETTINGS)
        return shown | settings.given()

    def __repr__(self) -> str:
        head = ", ".join(f"{name}={value!r}" for name, value in self.options().items())
        lines = [f"  {line}" for row in self._rows() for line in row.split("\n")]
        if not lines:
            return f"{type(self).__name__}({head})"
        return "\n".join([f"{type(self).__name__}({head}", *lines, ")"])

    def _rows(self) -> Iterator[str]:
        return rows(self.children())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layer) and (self is other or _same(self, other))

    def __hash__(self) -> int:
        return hash(len(self.children()))

    # Changing: always a new layer

    def replace(self, path: str, layer: Layer | str) -> Layer:
        """Return a copy in which the layer at this address is another one, or an agent of this model."""
        from moakit.layers.agent import as_layer

        _ = self[path]  # looked up whole, so that an error names all of it
        new = as_layer(layer, like=self)
        while path:
            path, _, place = path.rpartition(".")
            new = self[path].with_child(_steps(place)[0], new)
        return new

    def with_child(self, place: int, layer: Layer) -> Layer:
        """Return a copy in which one child is another layer."""
        clone = copy.copy(self)
        counter = 0
        for name, value in vars(self).items():
            if isinstance(value, Layer):
                if counter == place:
                    object.__setattr__(clone, name, layer)
                counter += 1
            elif isinstance(value, list | tuple):
                items = list(value)
                for index, item in enumerate(items):
                    if isinstance(item, Layer):
                        if counter == place:
                            items[index] = layer
                            object.__setattr__(
                                clone, name, items if isinstance(value, list) else tuple(items)
                            )
                        counter += 1
        return clone

    def to_config(self) -> Any:
        """Return the configuration of this layer as plain data; `moakit.from_config` makes it again.

        A layer of your own gives its class's name and its attributes, and is made by passing them to its
        constructor: `from_config(config, layers=[Mine])`.
        """
        given: dict[str, Any] = {}
        for name, value in vars(self).items():
            if isinstance(value, Layer):
                given[name] = value.to_config()
            elif isinstance(value, list | tuple):
                given[name] = [item.to_config() if isinstance(item, Layer) else item for item in value]
            else:
                given[name] = value
        # An attribute of that name, as a layer around another has, would hide the class.
        return {"layer": type(self).__name__, **({"arguments": given} if "layer" in given else given)}


def _steps(path: str) -> list[int]:
    steps: list[int] = []
    for part in path.split(".") if path else ():
        number = part.partition("#")[0]
        if not number.isdigit():
            raise ConfigError(f"{path!r} is not an address", hint='an address looks like "0.2"')
        steps.append(int(number))
    return steps


def rows(children: Sequence[Layer], *, first: int = 0, label: str = "") -> Iterator[str]:
    """Yield the lines of children, the same one in a row told once, as torch does.

    `first` is the place of the first one; `label` stands before each.
    """
    start = 0
    while start < len(children):
        shown = repr(children[start])
        end = start + 1
        while end < len(children) and repr(children[end]) == shown:
            end += 1
        count = end - start
        at = first + start
        yield (
            f"({at}): {label}{shown}" if count == 1 else f"({at}-{first + end - 1}): {label}{count} x {shown}"
        )
        start = end


def _holds_layers(value: object) -> bool:
    if isinstance(value, list | tuple):
        return any(isinstance(item, Layer) for item in value)
    return isinstance(value, Layer)


def _same(one: Layer, other: Layer) -> bool:
    try:
        return bool(one.to_config() == other.to_config())
    except MoaError:
        # Not everything has a configuration: a prompt may be a function.
        return (
            type(one) is type(other)
            and one.options() == other.options()
            and one.children() == other.children()
        )
