"""The keys of the server's clients: texts or tables, each with a name."""

import pytest

from tests.config.making import config, refusal

SERVER = '[ensembles.x]\nmodel = "demo/planner"\n[server]\n'


def test_a_text_is_the_short_form_of_a_table():
    made = config(
        SERVER + 'keys = ["${A}", { key = "${B}", name = "alice", concurrency = 4 }, "c"]', A="one", B="two"
    )
    assert [(key.key, key.name, key.concurrency) for key in made.server_keys] == [
        ("one", "keys[0]", None),
        ("two", "alice", 4),
        ("c", "keys[2]", None),
    ]


def test_a_key_is_shown_by_its_name_alone():
    made = config(SERVER + 'keys = [{ key = "secret", name = "alice" }, "hidden"]')
    assert repr(made.server_keys) == "[KeyConfig('alice'), KeyConfig('keys[1]')]"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("[5]", "server.keys[0]: expected a key or a table"),
        ('["a", {}]', "server.keys[1]: object missing required field `key`"),
        ('[{ key = "a", concurency = 1 }]', "unknown key server.keys[0].concurency"),
        ('[{ key = "a", concurrency = 0 }]', "server.keys[0].concurrency: expected int >= 1"),
        ("[{ key = 5 }]", "server.keys[0].key: expected str, got int"),
        ('["a", { key = " b" }]', "server.keys[1] is empty, or has spaces around it"),
        ('["a", "b", { key = "a", name = "alice" }]', "server.keys[2] is the same key as keys[0]"),
        ('[{ key = "a", name = "x" }, { key = "b", name = "x" }]',
         "server.keys[1].name: another key is called 'x' already"),
        ('[{ key = "${A}" }]', "server.keys[0].key: ${A} is not set"),
    ],
)  # fmt: skip
def test_a_wrong_key_is_refused_with_its_path(keys, message):
    assert refusal(f"{SERVER}keys = {keys}")[0] == message


def test_a_queue_without_a_limit_is_refused_because_nothing_would_wait():
    message, hint = refusal(SERVER + "queue = 5")
    assert message.startswith("server.queue is set without server.concurrency")
    assert hint == "set server.concurrency, the runs at once"
