"""Which references are shown as sources where the answer is written in several calls."""

import pytest

import moakit
from moakit import Aggregator, Critique, Proposers, Sequential, Tree, Window
from moakit.models.demo import DemoModel
from moakit.observe.openwebui import Commentary


def quick(name):
    return moakit.Agent(DemoModel(name, pace=0))


@pytest.mark.parametrize("last", [Window, Tree, Aggregator])
async def test_the_layer_before_the_last_is_cited_once(last):
    team = Proposers(quick("planner"), quick("skeptic"), quick("storyteller"))
    settings = {Window: {"size": 2}}.get(last, {})
    ensemble = Sequential(team, Critique(quick("skeptic")), last(quick("editor"), **settings))
    commentary = Commentary(ensemble, "sources")
    async with ensemble.stream("why") as stream:
        notes = [note async for event in stream for note in commentary.on(event)]
    cited = [note.content["document"][0] for note in notes if note.kind == "source"]
    assert cited == [response.text for response in stream.answer.layers[1]]
