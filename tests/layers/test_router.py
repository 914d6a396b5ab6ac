"""A router: who is chosen, by what, and that nobody else is asked."""

import asyncio
import contextlib
import re

import pytest

import moakit
from moakit import (
    Aggregator,
    BadResponse,
    ConfigError,
    Delta,
    InvalidRequest,
    Judged,
    MoA,
    MoaError,
    Proposers,
    Router,
    Sequential,
    ShapeError,
    from_config,
)
from tests.lab import until

TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {}}}]


def router(lab, **options):
    return Router({"code": lab("coder"), "talk": lab("talker")}, **options)


async def route_of(layer, prompt, **parameters):
    """Return what the run told of its route, with its answer."""
    async with layer.stream(prompt, **parameters) as stream:
        events = [event async for event in stream]
    *_, route = [
        event.verdict["route"]
        for event in events
        if type(event) is Judged and "route" in (event.verdict or {})
    ]
    return route, stream.answer


@pytest.mark.parametrize(
    ("prompt", "route"),
    [
        ("Mend my PYTHON, please", "code"),
        ("a pythonic life", "talk"),
        ("look at this stack   trace", "code"),
        ("StackTraces", "code"),
        ("is C++ old?", "code"),
        ("请帮我写代码吧", "code"),
        ("python or a poem", "code"),
        ("hello", "talk"),
    ],
)
async def test_words_choose_whole_and_whatever_their_case(up, lab, prompt, route):
    words = ["python", "stack trace", "/stack ?traces?/", "c++", "代码"]
    rules = {"code": words, "talk": [re.compile("poem")]}
    chosen, answer = await route_of(router(lab, by=rules, default="talk"), prompt)
    assert chosen == route
    assert [call.model for call in up.calls] == ["coder" if route == "code" else "talker"]
    assert not answer.degraded and len(answer.calls) == 1


async def test_the_first_rule_that_fits_is_taken(lab):
    rules = {"talk": ["x"], "code": ["x"]}
    assert (await route_of(router(lab, by=rules), "x"))[0] == "talk"


async def test_a_function_chooses_and_sees_prompt_and_references(up, lab):
    seen = []

    def choose(prompt, references):
        seen.append((prompt[-1]["content"], [reference.text for reference in references]))
        return "code"

    routes = Router({"code": Aggregator(lab("coder")), "talk": Aggregator(lab("talker"))}, by=choose)
    answer = await Sequential(Proposers(lab("say:one"), lab("say:two")), routes).run("why")
    assert seen == [("why", ["one", "two"])]
    assert answer.response.model == "lab/coder" and not up.of("talker")


async def test_a_function_may_be_awaited_and_none_is_the_default(lab):
    async def choose(prompt, references):
        await asyncio.sleep(0)

    assert (await route_of(router(lab, by=choose, default="talk"), "why"))[0] == "talk"


async def test_a_function_that_names_no_route_is_a_mistake(up, lab):
    with pytest.raises(ConfigError, match=r"there is no route 'cods'.*did you mean 'code'"):
        await router(lab, by=lambda prompt, references: "cods", default="talk").run("why")
    assert not up.calls


async def test_a_prompt_that_fits_no_rule_is_told_so(up, lab):
    with pytest.raises(InvalidRequest, match="Router at the root: the prompt fits no route"):
        await router(lab, by={"code": ["python"]}).run("why")
    assert not up.calls


async def test_an_agent_chooses_and_is_told_the_names_and_what_they_are_for(up, lab):
    up.behaves["judge"] = 'say:I_think:_{"route":_"Code"}'
    named = MoA([lab("a")], lab("b"), description="small talk")
    layer = Router(
        {"code": lab("coder"), "talk": named},
        by=lab("judge"),
        descriptions={"code": "programs"},
        default="talk",
    )
    chosen, answer = await route_of(layer, "why")
    assert chosen == "code" and not answer.degraded
    system, user = up.of("judge")[0].messages
    assert "- code: programs\n- talk: small talk" in system["content"] and "why" in user["content"]
    assert [(call.path, call.role) for call in answer.calls] == [("2", "judge"), ("0", "agent")]


@pytest.mark.parametrize(
    "says", ["nothing", '{"route":"song"}', '{"route":1}', "status:500+should_retry:false"]
)
async def test_a_reply_that_cannot_be_used_takes_the_default_and_is_seen(up, lab, says):
    up.behaves["judge"] = says if says.startswith("status") else f"say:{says}"
    async with router(lab, by=lab("judge"), default="talk").stream("why") as stream:
        events = [event async for event in stream]
    assert stream.answer.degraded and stream.answer.response.model == "lab/talker"
    told = [event for event in events if type(event) is Judged]
    assert told[0].error and told[-1].verdict == {"route": "talk"}
    up.reset()
    with pytest.raises(BadResponse, match="the judge chose no route"):
        await router(lab, by=lab("judge")).run("why")
    assert not up.of("coder") and not up.of("talker")


def conversation(*after):
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"x": 1}'}}
    return [
        {"role": "user", "content": "add python"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "a poem"},
        *after,
    ]


async def test_the_result_of_a_tool_takes_the_same_route_without_asking_again(up, lab):
    up.behaves["judge"] = 'say:{"route":"code"}+then:{"route":"talk"}'
    layer = router(lab, by=lab("judge"))
    assert (await route_of(layer, conversation()[:1], tools=TOOLS))[0] == "code"
    assert (await route_of(layer, conversation(), tools=TOOLS))[0] == "code"
    assert len(up.of("judge")) == 1
    assert up.of("coder")[1].messages[-1] == conversation()[-1]
    # A new message of the user is a new choice.
    again = conversation({"role": "assistant", "content": "2"}, {"role": "user", "content": "thanks"})
    assert (await route_of(layer, again, tools=TOOLS))[0] == "talk"


async def test_a_tool_result_whose_choice_is_not_remembered_goes_by_the_users_message(up, lab):
    up.behaves["judge"] = 'say:{"route":"code"}'
    assert (await route_of(router(lab, by=lab("judge")), conversation(), tools=TOOLS))[0] == "code"
    assert "a poem" not in up.of("judge")[0].prompt


async def test_words_in_a_tools_result_choose_nothing(lab):
    rules = {"talk": ["poem"], "code": ["python"]}
    assert (await route_of(router(lab, by=rules), conversation(), tools=TOOLS))[0] == "code"


async def test_after_proposers_the_result_of_a_tool_goes_straight_to_the_route(up, lab):
    routes = Router({"code": Aggregator(lab("coder"))}, by={"code": ["python"]})
    await Sequential(Proposers(lab("a"), lab("b")), routes).run(conversation(), tools=TOOLS)
    assert [call.model for call in up.calls] == ["coder"]


async def test_the_route_streams_and_takes_the_requests_parameters(up, lab):
    layer = Router({"x": lab("say:one_two+pace:0.01")}, by={"x": ["why"]})
    async with layer.stream("why", temperature=0.5) as stream:
        texts = [event.text async for event in stream if type(event) is Delta and event.answer]
    assert texts == ["one", " two"] and up.calls[0].body["temperature"] == 0.5


async def test_its_plan_is_the_dearest_route_and_the_choice(lab):
    routes = {"cheap": lab("a"), "dear": MoA([lab("a"), lab("b")], lab("c"))}
    assert Router(routes, by={"cheap": ["x"]}).plan() == (3, 2)
    assert Router(routes, by=lab("judge")).plan() == (4, 3)
    assert Router(routes, by=lab("judge")).summary().calls == 4


async def test_its_plan_is_what_is_observed_on_that_route(up, lab):
    up.behaves["judge"] = 'say:{"route":"dear"}'
    layer = Router({"cheap": lab("a"), "dear": MoA([lab("a"), lab("b")], lab("c"))}, by=lab("judge"))
    answer = await layer.run("why")
    assert len(answer.calls) == layer.plan().calls
    for call in answer.calls:
        assert layer[call.path].model == call.model


def test_its_shape_is_known_where_all_routes_agree(lab):
    assert router(lab, by={"code": ["x"]}).shape(0) == 1
    mixed = Router({"one": lab("a"), "two": Proposers(lab("a"), lab("b"))}, by={"one": ["x"]})
    assert mixed.shape(0) is None
    with pytest.raises(ShapeError, match="route 'two'"):
        Router({"one": lab("a"), "two": Aggregator(lab("a"))}, by={"one": ["x"]}).shape(0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"routes": {}, "by": {"a": ["x"]}}, "routes is not a mapping"),
        ({"routes": ["demo/planner"], "by": {"a": ["x"]}}, "routes is not a mapping"),
        ({"by": {"b": ["x"]}}, "there is no route 'b'"),
        ({"by": {"a": ["x"]}, "default": "b"}, "there is no route 'b'"),
        ({"by": {"a": ["x"]}, "descriptions": {"b": "x"}}, "there is no route 'b'"),
        ({"by": {"a": "x"}}, "words of 'a' are not a list"),
        ({"by": {"a": []}}, "words of 'a' are not a list"),
        ({"by": {}}, "no words"),
        ({"by": {"a": [" "]}}, "is not a word"),
        ({"by": {"a": [1]}}, "is not a word"),
        ({"by": {"a": ["/(/"]}}, "is not a regular expression"),
        ({"by": {"a": [re.compile("x", re.DOTALL)]}}, "has flags of its own"),
        ({"by": 3}, "cannot choose"),
        ({"by": MoA(["demo/planner"], "demo/editor")}, "a judge is an agent"),
    ],
)
def test_what_cannot_choose_is_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Router(**{"routes": {"a": "demo/planner"}, **arguments})


def test_it_configures_shows_and_changes_itself():
    routes = {"code": "demo/tinkerer", "talk": MoA(["demo/planner"], "demo/editor")}
    by_words = Router(routes, by={"code": [re.compile("a+b"), "x"]}, default="talk")
    by_agent = Router(routes, by="demo/skeptic", descriptions={"code": "programs"})
    for layer in (by_words, by_agent):
        config = layer.to_config()
        assert from_config(config) == layer and from_config(config).to_config() == config
        assert hash(layer) == hash(from_config(config))
        assert repr(layer).startswith("Router(routes=['code', 'talk']")
    assert by_words.to_config()["by"] == {"code": ["/a+b/", "x"]}
    assert by_agent["2"] == moakit.Agent("demo/skeptic")
    assert by_agent.replace("2", "demo/planner")["2"] == moakit.Agent("demo/planner")
    assert by_words.replace("1.0", "demo/planner")["1.0"] == moakit.Agent("demo/planner")
    assert by_words != by_agent
    with pytest.raises(MoaError, match="function that chooses"):
        Router(routes, by=lambda prompt, references: "code").to_config()


def test_errors_in_its_configuration_name_their_place():
    with pytest.raises(ConfigError, match=r"^x: unknown key routes\.a\.modell|unknown key"):
        from_config({"routes": {"a": {"modell": "demo/planner"}}, "by": {"a": ["x"]}})
    with pytest.raises(ConfigError, match="there is no route 'b'"):
        from_config({"routes": {"a": "demo/planner"}, "by": {"b": ["x"]}})
    with pytest.raises(ConfigError, match="expected a model's name or a table"):
        from_config({"routes": {"a": "demo/planner"}, "by": 3})


async def test_it_works_among_proposers_with_samples_of_its_own(up, lab):
    up.behaves["judge"] = 'say:{"route":"code"}'
    inner = router(lab, by=lab("judge"))
    answer = await Sequential(Proposers(inner, lab("x"), samples=2), lab("lead")).run("why")
    assert len(answer.references) == 4 and len(up.of("judge")) == len(up.of("coder")) == 2
    assert len({call.path for call in answer.calls}) == len(answer.calls) == 7


async def test_a_route_that_fails_is_the_runs_error(up, lab):
    up.behaves["coder"] = "status:401"
    with pytest.raises(moakit.AuthenticationFailed):
        await router(lab, by={"code": ["why"]}, default="talk").run("why")
    assert not up.of("talker")


@pytest.mark.parametrize("slow", ["judge", "coder"])
async def test_a_run_that_is_cancelled_leaves_nothing_open(up, lab, slow):
    up.behaves |= {"judge": 'say:{"route":"code"}', slow: 'hang+say:{"route":"code"}'}
    task = asyncio.ensure_future(router(lab, by=lab("judge")).run("why"))
    await until(lambda: up.of(slow))
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await up.idle()


async def test_a_judge_that_hangs_leaves_time_for_the_route(up, lab):
    up.behaves["judge"] = "hang"
    layer = Sequential(router(lab, by=lab("judge"), default="talk"), deadline=2)
    answer = await layer.run("why")
    assert answer.response.model == "lab/talker" and answer.degraded


async def test_a_budget_holds_back_what_its_dearest_route_may_take(up, lab):
    cheap, dear = lab("a", max_tokens=10), lab("b", max_tokens=5000)
    layer = Sequential(Router({"cheap": cheap, "dear": dear}, by={"dear": ["why"]}), budget={"tokens": 6000})
    assert (await layer.run("why")).response.model == "lab/b"
    small = Sequential(Router({"dear": dear}, by={"dear": ["why"]}), budget={"tokens": 600})
    with pytest.raises(moakit.BudgetExceeded):
        await small.run("why")
