"""Ensembles inside ensembles."""

import moakit
from moakit import Aggregator, MoA, Proposers, Residual, Sequential
from tests.lab import follows, references_in, together


async def test_an_ensemble_proposes_beside_an_agent(up, lab):
    inner = MoA([lab("a+sleep:0.02"), lab("b+sleep:0.02")], lab("merge"))
    ensemble = MoA([inner, lab("c+sleep:0.06")], lab("lead"))
    answer = await ensemble.run("why")

    assert [reference.path for reference in answer.references] == ["0.0.1.0", "0.1"]
    assert references_in(up.of("lead")[0]) == [reference.text for reference in answer.references]
    assert together([*up.of("a+sleep:0.02"), *up.of("b+sleep:0.02"), *up.of("c+sleep:0.06")])
    assert follows(up.of("merge"), up.of("a+sleep:0.02"))
    assert {call.path: call.role for call in answer.calls} == {
        "0.0.0.0": "proposer",
        "0.0.0.1": "proposer",
        "0.0.1.0": "aggregator",
        "0.1": "proposer",
        "1.0": "aggregator",
    }
    assert ensemble["0.0.1.0"] == lab("merge")


async def test_an_ensemble_aggregates(up, lab):
    inner = MoA([lab("x"), lab("y")], lab("last"))
    ensemble = MoA([lab("a"), lab("b")], inner)
    answer = await ensemble.run("why")

    proposals = [response.text for response in answer.layers[0]]
    assert references_in(up.of("x")[0]) == references_in(up.of("y")[0]) == proposals
    assert answer.response.path == "1.0.1.0"
    assert answer.references == tuple(
        response for response in answer.references if response.path in ("1.0.0.0", "1.0.0.1")
    )
    assert len(answer.calls) == ensemble.summary().calls == 5
    assert ensemble.summary().steps == 3


async def test_an_ensemble_that_aggregates_streams_its_last_agent_only(up, lab):
    ensemble = MoA([lab("a"), lab("b")], MoA([lab("x"), lab("y")], lab("last+tokens:3")))
    async with ensemble.stream("why") as stream:
        assert "".join([text async for text in stream.text]) == "w1 w2 w3" == stream.answer.text
    assert [call.model for call in up.calls if call.stream] == ["last+tokens:3"]


async def test_ensembles_of_ensembles_of_ensembles(up, lab):
    deep = lab("a")
    for _ in range(4):
        deep = MoA([deep, lab("b")], lab("lead"))
    answer = await deep.run("why")
    assert len(answer.calls) == deep.summary().calls == 9
    assert deep.summary().steps == 5
    assert deep["0.0.0.0.0.0.0.0"] == lab("a")


async def test_a_residual_layer_shows_the_references_again(up, lab):
    team = Proposers(lab("a"), lab("b"))
    ensemble = Sequential(team, Residual(team), Residual(lab("c")), Aggregator(lab("lead")))
    answer = await ensemble.run("why")

    assert [len(layer) for layer in answer.layers] == [2, 4, 5, 1]
    first = [response.text for response in answer.layers[0]]
    second = [up.of(name)[1] for name in "ab"]
    assert [references_in(call) for call in second] == [first, first]
    assert [text[:5] for text in references_in(up.of("lead")[0])] == [
        "a #1:",
        "b #1:",
        "a #2:",
        "b #2:",
        "c #1:",
    ]
    assert [response.path for response in answer.references] == ["0.0", "0.1", "1.0.0", "1.0.1", "2.0"]
    assert Residual(team).shape(0) == 2 and Residual(team).shape(None) is None


async def test_one_layer_may_stand_in_a_row_several_times(up, lab):
    team = Proposers(lab("a"), lab("b"))
    ensemble = Sequential(*[team] * 3, Aggregator(lab("lead")))
    answer = await ensemble.run("why")
    assert [response.path for response in answer.layers[2]] == ["2.0", "2.1"]
    assert ensemble == Sequential(team, team, team, Aggregator(lab("lead")))
    assert ensemble[0] is ensemble[1] is team


async def test_an_agent_last_reads_the_references_as_an_aggregator_does(up, lab):
    answer = await Sequential(Proposers(lab("a"), lab("b")), lab("lead")).run("why")
    assert references_in(up.of("lead")[0]) == [reference.text for reference in answer.references]
    assert answer.response.path == "1" and isinstance(answer.response, moakit.Response)


async def test_agents_in_a_row_read_each_other(up, lab):
    answer = await Sequential(lab("a"), lab("b"), lab("c")).run("why")
    assert references_in(up.of("b")[0]) == [answer.layers[0][0].text]
    assert references_in(up.of("c")[0]) == [answer.layers[1][0].text]
