"""Any conversation: what every layer is shown of it, and that nothing of it is lost or changed."""

import asyncio
import copy

from hypothesis import given, settings
from hypothesis import strategies as st

import moakit
from moakit import MoA, Proposers, Residual, Sequential

WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
PARTS = st.lists(
    st.one_of(
        st.builds(lambda text: {"type": "text", "text": text}, WORDS),
        st.just({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}),
    ),
    min_size=1,
    max_size=3,
)
EXTRAS = st.dictionaries(st.sampled_from(["name", "cache_control", "x_unknown"]), WORDS, max_size=2)


def messages(role):
    return st.builds(lambda content, more: {"role": role, "content": content, **more}, WORDS | PARTS, EXTRAS)


conversations = st.builds(
    lambda head, turns, last: [*head, *[message for turn in turns for message in turn], last],
    st.lists(messages("system") | messages("developer"), max_size=1),
    st.lists(st.tuples(messages("user"), messages("assistant")), max_size=3),
    messages("user"),
)


class Recorder:
    """A model that answers whatever it was made with and keeps what it was asked."""

    endpoint = None

    def __init__(self, name, text):
        self.name = name
        self.text = text
        self.asked = []

    async def respond(self, given, parameters, listener=None):
        self.asked.append((given, dict(parameters)))
        if listener is not None:
            for character in self.text:
                listener(character)
        return moakit.Reply(text=self.text, cost=0.0)


answers = WORDS.filter(lambda text: text.strip())


@settings(max_examples=60, deadline=None)
@given(conversations, answers, answers, st.booleans())
def test_every_layer_is_shown_the_conversation_as_it_came(conversation, first, second, streamed):
    one, two, last = Recorder("own/one", first), Recorder("own/two", second), Recorder("own/last", "done")
    ensemble = Sequential(Proposers(one, two), Residual(Proposers(one)), last)
    before = copy.deepcopy(conversation)

    async def main():
        if not streamed:
            return await ensemble.run(conversation, temperature=0.5)
        async with ensemble.stream(conversation, proposers=True, temperature=0.5) as stream:
            text = "".join([text async for text in stream.text])
        assert text == stream.answer.text
        return stream.answer

    answer = asyncio.run(main())
    assert conversation == before
    assert [list(asked) for asked, _ in (one.asked[0], two.asked[0])] == [before, before]
    assert [sorted(sent) for _, sent in (*one.asked, *two.asked, *last.asked)] == [
        [],
        [],
        [],
        ["temperature"],
    ]
    assert [reference.text for reference in answer.references] == [first, second, first]
    for shown, texts in ((one.asked[1][0], [first, second]), (last.asked[0][0], [first, second, first])):
        asked = list(shown)
        history = before[1:] if before[0]["role"] in ("system", "developer") else before
        assert asked[0]["role"] in ("system", "developer")
        assert asked[1:-1] == history[:-1]
        assert {key: value for key, value in asked[-1].items() if key != "content"} == {
            key: value for key, value in history[-1].items() if key != "content"
        }
        whole, told = history[-1]["content"], asked[-1]["content"]
        tail = told.removeprefix(whole) if isinstance(whole, str) else told[-1]["text"]
        assert isinstance(whole, str) or told[:-1] == whole
        places = [
            tail.find(f" reference {number}>>>\n{text.strip()}") for number, text in enumerate(texts, 1)
        ]
        assert -1 not in places and places == sorted(places)


@settings(max_examples=60, deadline=None)
@given(conversations, answers)
def test_what_stands_first_is_the_same_in_every_run(conversation, text):
    lead = Recorder("own/lead", "done")
    ensemble = MoA([Recorder("own/a", text)], lead)
    for _ in range(2):
        asyncio.run(ensemble.run(conversation))
    asyncio.run(MoA([Recorder("own/a", "another"), Recorder("own/b", "two")], lead).run(conversation))
    heads = [asked[:-1] for asked, _ in lead.asked]
    assert heads[0] == heads[1] == heads[2]
