"""`moa serve` in a folder with nothing but the article's `.env`."""

import openai

from tests.article import LEAD, ONE, THREE, TWO, article
from tests.server.serving import started


def test_it_serves_the_articles_ensemble_to_any_client(tmp_path):
    with article() as papers:
        (tmp_path / ".env").write_text(papers.env(layers=2, agents=2))
        with started(tmp_path) as server, openai.OpenAI(base_url=server.base_url, api_key="none") as client:
            assert "moakit serves moa-groq at" in "".join(server.told)
            assert [model.id for model in client.models.list()] == ["moa-groq"]
            for stream in (False, True):
                papers.reset()
                answer = client.chat.completions.create(
                    model="moa-groq", messages=[{"role": "user", "content": "why"}], stream=stream
                )
                text = (
                    "".join(chunk.choices[0].delta.content or "" for chunk in answer)
                    if stream
                    else answer.choices[0].message.content
                )
                assert text.startswith(f"{LEAD} #1: why")
                assert sorted(papers.models[:2]) == sorted([ONE, TWO])
                assert sorted(papers.models[2:4]) == sorted([THREE, ONE])
                assert papers.models[4:] == [LEAD]
                papers.check()
        assert "gsk_key" not in "".join(server.told)
