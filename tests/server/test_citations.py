"""An ensemble with `cite` behind the server: what is told of its marks, and what they lead to."""

import json

from tests.server.hosting import configured, hosted
from tests.server.openwebui.streams import pieces, say, sources

PANEL = {"proposers": ["lab/one", "lab/two"], "aggregator": "lab/lead", "cite": True, "retries": 0}
SAYS = {"one": "say:first", "two": "say:second", "lead": "say:Blue_[2]._Red_[7]."}


def content(reply):
    return reply.json["choices"][0]["message"]["content"]


def test_the_usage_tells_the_calls_that_are_cited_and_the_false_marks_that_are_gone(up):
    up.behaves |= SAYS
    with hosted(configured(up, ensembles={"panel": PANEL})) as server:
        reply = server.chat()
        assert content(reply) == "Blue [2]. Red."
        told = reply.json["usage"]["moa"]
        assert told["citations"] == ["0.1"] and told["false_citations"] == 1
        up.behaves["lead"] = "say:Blue."
        told = server.chat().json["usage"]["moa"]
    assert not {"citations", "false_citations"} & told.keys()


def test_streamed_the_marks_that_were_shown_are_told_of(up):
    up.behaves |= SAYS
    with hosted(configured(up, ensembles={"panel": PANEL})) as server:
        reply = server.chat(stream=True, stream_options={"include_usage": True})
    lines = [line[6:] for line in reply.body.decode().split("\n") if line.startswith("data: {")]
    chunks = [json.loads(line) for line in lines]
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])
    assert text == "Blue [2]. Red [7]."
    told = chunks[-1]["usage"]["moa"]
    assert told["citations"] == ["0.1"] and told["false_citations"] == 1


def test_in_open_webui_a_mark_leads_to_the_source_of_that_number(up):
    up.behaves |= SAYS
    with hosted(configured(up, ensembles={"panel": PANEL})) as server:
        reply = say(server)
    assert "".join(pieces(reply)) == "Blue [2]. Red [7]."
    assert [text for _, text in sources(reply)] == ["first", "second"]


def test_a_request_may_ask_for_marks(up):
    up.behaves |= SAYS
    plain = {key: value for key, value in PANEL.items() if key != "cite"}
    with hosted(configured(up, ensembles={"panel": plain}, overrides=True)) as server:
        assert content(server.chat()) == "Blue [2]. Red [7]."
        assert content(server.chat(moa={"cite": True})) == "Blue [2]. Red."
