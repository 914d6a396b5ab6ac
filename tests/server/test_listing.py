"""The list of models: every ensemble, described for whoever chooses one."""

import openai
import pytest

from moakit.server.app import create_app
from tests.server.hosting import asked, configured

NAMES = ["panel", "patient", "quick", "alone", "unpriced", "solo", "deep"]


def test_every_ensemble_is_listed_the_default_first(client):
    models = client.models.list().data
    assert [model.id for model in models] == NAMES
    assert all((model.object, model.owned_by) == ("model", "moakit") and model.created for model in models)


def test_an_entry_carries_what_screens_show(client):
    entry = client.models.retrieve("panel")
    assert entry.id == entry.name == "panel"
    assert entry.description == "Three models, and one that leads"
    meta = entry.info["meta"]
    assert meta["description"] == entry.description and meta["suggestion_prompts"] == []
    assert meta["capabilities"]["usage"] is True and meta["capabilities"]["builtin_tools"] is False


async def test_the_window_is_the_aggregators(up):
    ensembles = {"big": {"proposers": ["lab/a"], "aggregator": "openai/gpt-4o-mini"}}
    app = create_app(configured(up, ensembles=ensembles, default="big"))
    (entry,) = (await asked(app, "GET", "/v1/models")).json["data"]
    assert entry["context_length"] == 128_000


def test_an_unknown_model_is_not_found_with_the_nearest_name(client):
    with pytest.raises(openai.NotFoundError, match="did you mean 'solo'"):
        client.models.retrieve("sola")


async def test_a_model_that_is_passed_through_can_be_retrieved(up):
    app = create_app(configured(up, passthrough=True))
    reply = await asked(app, "GET", "/v1/models/lab/org/model-7b")
    assert reply.status == 200 and reply.json["id"] == "lab/org/model-7b"
    assert [model["id"] for model in (await asked(app, "GET", "/v1/models")).json["data"]] == ["panel"]
    assert (await asked(app, "GET", "/v1/models/nowhere/x")).status == 404
    closed = create_app(configured(up))
    assert (await asked(closed, "GET", "/v1/models/lab/org/model-7b")).status == 404
