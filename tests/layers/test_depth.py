"""Layers one after another: what each is shown, and when."""

import time
from itertools import pairwise

import moakit
from moakit import Aggregator, MoA, Proposers, Sequential
from tests.lab import follows, references_in, together


async def test_four_layers_of_three_proposers_are_ten_calls_in_four_steps(up, lab):
    ensemble = MoA([lab(f"{name}+sleep:0.03") for name in "abc"], lab("lead+sleep:0.03"), layers=4)
    answer = await ensemble.run("why")

    steps = [up.calls[:3], up.calls[3:6], up.calls[6:9], up.calls[9:]]
    assert [len(step) for step in steps] == [3, 3, 3, 1]
    assert all({call.model[0] for call in step} == set("abc") for step in steps[:3])
    assert steps[3][0].model.startswith("lead")
    assert all(together(step) for step in steps)
    assert all(follows(later, earlier) for earlier, later in pairwise(steps))
    assert len(answer.calls) == ensemble.summary().calls == 10
    assert ensemble.summary().steps == 4


async def test_each_layer_sees_all_references_of_the_one_before_and_none_of_an_earlier_one(up, lab):
    answer = await MoA([lab(name) for name in "abc"], lab("lead"), layers=4).run("why")

    for layer in range(3):
        seen = [reference.text for reference in answer.layers[layer]]
        assert [text.split(":")[0] for text in seen] == [f"{name} #{layer + 1}" for name in "abc"]
        readers = [up.of(name)[layer + 1] for name in "abc"] if layer < 2 else up.of("lead")
        assert [references_in(call) for call in readers] == [seen] * len(readers)
        for call in readers:
            assert not any(
                f"{name} #{other}:" in call.prompt for name in "abc" for other in range(1, layer + 1)
            )
    assert all(references_in(up.of(name)[0]) == [] for name in "abc")
    assert answer.references == answer.layers[2]
    assert answer.layers[3] == (answer.response,)
    assert answer.text.startswith("lead #1: why")


async def test_references_stand_in_declaration_order_even_when_the_first_finishes_last(up, lab):
    names = ["slow+sleep:0.1", "middle+sleep:0.05", "fast"]
    answer = await MoA([lab(name) for name in names], lab("lead")).run("why")

    assert [call.model for call in sorted(up.calls[:3], key=lambda call: call.finished_at)] == names[::-1]
    assert [reference.model for reference in answer.references] == [f"lab/{name}" for name in names]
    assert references_in(up.of("lead")[0]) == [reference.text for reference in answer.references]
    assert [text.split(" ")[0] for text in references_in(up.of("lead")[0])] == names


async def test_every_call_sees_the_users_own_words(up, lab):
    prompt = [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": "second", "name": "mina"},
    ]
    await MoA([lab("a"), lab("b")], lab("lead"), layers=3).run(prompt)

    assert all(call.messages == prompt for call in up.calls[:2])
    for call in up.calls[2:]:
        assert call.messages[1:3] == prompt[1:3]
        assert call.messages[3]["content"].startswith("second\n\n") and call.messages[3]["name"] == "mina"
        assert call.messages[0]["content"].endswith("Be brief")


async def test_three_proposers_and_an_aggregator_take_two_steps_of_time(up, lab):
    ensemble = MoA([lab(f"{name}+sleep:0.5") for name in "abc"], lab("lead+sleep:0.5"))
    began = time.perf_counter()
    answer = await ensemble.run("why")
    took = time.perf_counter() - began
    assert 1.0 <= took < 1.5
    assert 1.0 <= answer.duration <= took


async def test_a_sequence_of_different_layers_is_the_same_journey(up, lab):
    ensemble = Sequential(
        Proposers(lab("a"), lab("b")), Proposers(lab("c")), Aggregator(lab("lead")), name="mixed"
    )
    answer = await ensemble.run("why")
    assert references_in(up.of("c")[0]) == [response.text for response in answer.layers[0]]
    assert references_in(up.of("lead")[0]) == [response.text for response in answer.layers[1]]
    assert [len(layer) for layer in answer.layers] == [2, 1, 1]


async def test_an_agent_alone_is_an_ensemble_of_one_call(up, lab):
    answer = await lab("say:hello").run("hi")
    assert (answer.text, answer.references, len(answer.calls)) == ("hello", (), 1)
    assert answer.layers == ((answer.response,),)
    assert answer.response.path == "" and answer.response.role == "agent"
    assert isinstance(answer, moakit.Answer) and str(answer) == "hello"
