"""A layer of the user's own: one class, one forward."""

from typing import NamedTuple

import pytest

import moakit
from moakit import Aggregator, Delta, Layer, MoA, Proposers, Response, Sequential, ShapeError
from moakit.models.demo import DemoModel


class Longest(Layer):
    """Keeps the longest reference."""

    async def forward(self, prompt, references, run):
        return (max(references, key=lambda reference: len(reference.text)),)

    def shape(self, references):
        return 1


class Panel(Layer):
    """Asks its critics about each reference, then its lead."""

    def __init__(self, lead, critics):
        self.lead = lead
        self.critics = critics

    async def forward(self, prompt, references, run):
        notes = [(await run(critic, prompt, references, role="judge"))[0] for critic in self.critics]
        return await run(self.lead, prompt, [*references, *notes])


class Gives(Layer):
    """Returns what it was told to."""

    def __init__(self, given):
        self.given = given

    async def forward(self, prompt, references, run):
        if isinstance(self.given, Exception):
            raise self.given
        return self.given


async def test_it_stands_in_the_middle(up, lab):
    team = Proposers(lab("say:short"), lab("say:much_longer"))
    answer = await Sequential(team, Longest(), Aggregator(lab("lead"))).run("why")
    assert [reference.text for reference in answer.references] == ["much longer"]


async def test_its_children_are_found_shown_addressed_and_summed_up(up, lab):
    panel = Panel(lab("lead"), [lab("x"), lab("y")])
    ensemble = Sequential(Proposers(lab("a"), lab("b")), panel)
    answer = await ensemble.run("why")

    assert panel.children() == (lab("lead"), lab("x"), lab("y"))
    assert ensemble["1.2"] == lab("y")
    assert {call.path: call.role for call in answer.calls} == {
        "0.0": "proposer",
        "0.1": "proposer",
        "1.1": "judge",
        "1.2": "judge",
        "1.0": "agent",
    }
    assert repr(panel) == "Panel(\n  (0): Agent('lab/lead')\n  (1): Agent('lab/x')\n  (2): Agent('lab/y')\n)"
    assert ensemble.summary().calls == len(answer.calls) == 5
    assert ensemble.replace("1.2", "demo/editor")["1.2"] == moakit.Agent("demo/editor")
    assert panel.critics == [lab("x"), lab("y")]


async def test_at_the_tail_its_text_is_sent_when_it_returns(up, lab):
    ensemble = Sequential(Proposers(lab("tokens:9"), lab("tokens:20")), Longest())
    async with ensemble.stream("why", proposers=True) as stream:
        deltas = [event async for event in stream if isinstance(event, Delta)]
    answers = [delta for delta in deltas if delta.answer]
    assert (
        [delta.text for delta in answers] == [stream.answer.text] == [" ".join(f"w{i}" for i in range(1, 21))]
    )
    assert deltas[-1] is answers[0] and len(deltas) > 2


async def test_what_it_passes_on_at_the_tail_may_stream(up, lab):
    class Polite(Layer):
        def __init__(self, agent):
            self.agent = agent

        async def forward(self, prompt, references, run):
            return await run(self.agent, prompt, references, tail=True)

    async with Polite(lab("say:one_two+pace:0.01")).stream("why", temperature=0.5) as stream:
        texts = [text async for text in stream.text]
    assert texts == ["one", " two"]
    assert up.calls[0].body["temperature"] == 0.5


async def test_one_response_need_not_be_wrapped(lab):
    assert (await Gives(Response(text="bare")).run("why")).text == "bare"
    assert (await Gives([Response(text="listed")]).run("why")).text == "listed"


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (None, "returned NoneType"),
        ("text", "returned str"),
        (("text",), "returned a tuple with a str in it"),
        ([Response(text="good"), None], "returned a list with a NoneType in it"),
        ({"text": "a"}, "returned dict"),
    ],
)
async def test_garbage_is_a_shape_error_that_names_the_layer(given, what):
    with pytest.raises(ShapeError, match=f"Gives at the root {what}"):
        await Gives(given).run("why")
    team = Proposers(DemoModel("planner", pace=0))
    with pytest.raises(ShapeError, match=f"Gives at 1 {what}"):
        await Sequential(team, Gives(given), Aggregator(DemoModel("editor", pace=0))).run("why")


async def test_its_own_exception_propagates_unchanged(up, lab):
    mistake = LookupError("mine")
    for ensemble in (
        Gives(mistake),
        Sequential(lab("a"), Gives(mistake)),
        MoA([lab("a"), lab("b+sleep:0.05"), Gives(mistake)], lab("lead")),
        MoA([lab("a")], MoA([Gives(mistake)], lab("lead"))),
    ):
        with pytest.raises(LookupError) as caught:
            await ensemble.run("why")
        assert caught.value is mistake
    assert not up.of("lead")


async def test_its_own_exception_ends_the_layer_at_once(up, lab):
    ensemble = MoA([lab("hang"), lab("sleep:0.05"), Gives(LookupError("mine"))], lab("lead"))
    with pytest.raises(LookupError):
        await ensemble.run("why")
    await up.idle()


async def test_it_runs_the_same_child_for_each_of_several_prompts(up, lab):
    class Both(Layer):
        def __init__(self, agent):
            self.agent = agent

        async def forward(self, prompt, references, run):
            asked = [[{"role": "user", "content": text}] for text in ("left", "right")]
            first = await run(self.agent, asked[0])
            return await run(self.agent, asked[1], first)

        def plan(self, references=0):
            return moakit.layers.summary.Plan(2, 2)

    answer = await Both(lab("a")).run("why")
    assert [call.path for call in answer.calls] == ["0", "0#1"]
    assert up.calls[0].prompt == "left"
    assert Both(lab("a")).summary().calls == 2


async def test_it_sees_the_run_it_is_part_of(up, lab):
    seen = {}

    class Looks(Layer):
        async def forward(self, prompt, references, run):
            seen.update(path=run.path, id=run.run_id, left=run.remaining, tail=run.tail, told=run.parameters)
            return references

    ensemble = Sequential(lab("a"), Looks(), lab("b"), deadline=20)
    answer = await ensemble.run("why", temperature=0)
    assert seen["path"] == "1" and seen["id"] == answer.run_id
    assert 19 < seen["left"] <= 20
    assert seen["tail"] is False and seen["told"] == {}


async def test_a_layer_without_forward_says_so():
    with pytest.raises(NotImplementedError, match="Empty has no forward"):
        await type("Empty", (Layer,), {})().run("why")


def test_what_it_keeps_beside_its_layers_is_left_as_it_is_by_replace():
    class Span(NamedTuple):
        low: int
        high: int

    class Bounded(Layer):
        def __init__(self, span, names, first, rest):
            self.span = span
            self.names = names
            self.first = first
            self.rest = rest

    a, b, c = (moakit.Agent(f"demo/{name}") for name in ("planner", "skeptic", "editor"))
    bounded = Bounded(Span(1, 2), ["x", "y"], a, (b, b))
    changed = bounded.replace("2", c)
    assert (changed.first, changed.rest) == (a, (b, c))
    assert changed.span is bounded.span and changed.names is bounded.names
    assert bounded.rest == (b, b) and isinstance(changed, Bounded)


class Again(Layer):
    """Asks the layer inside once more when its first answer is short."""

    def __init__(self, layer, words=20):
        self.layer = layer
        self.words = words

    async def forward(self, prompt, references, run):
        first = await run(self.layer, prompt, references)
        if len(first[0].text.split()) >= self.words:
            return first
        return await run(self.layer, prompt, references, tail=True)


@pytest.mark.parametrize("inner", ["demo/skeptic", moakit.SelfMoA("demo/planner", samples=2)])
def test_a_layer_around_another_may_call_it_layer(inner):
    ensemble = Sequential(
        Proposers("demo/planner"), Again(moakit.Agent(inner) if isinstance(inner, str) else inner)
    )
    config = ensemble.to_config()
    assert config["layers"][1]["layer"] == "Again"
    made = moakit.from_config(config, layers=[Again])
    assert made == ensemble and isinstance(made[1], Again) and made[1].words == 20
    assert made["1.0"] == ensemble["1.0"]
