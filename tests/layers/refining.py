"""What the tests of the refining layers share: a team, and the events of a run."""

from moakit import Aggregator, Proposers, Sequential


def panel(lab, layer, *proposers, lead=None, **settings):
    """An ensemble of proposers, a layer, and a lead if one is given."""
    team = Proposers(*map(lab, proposers or ("say:one", "say:two", "say:three")))
    return Sequential(team, layer, *([Aggregator(lab(lead))] if lead else []), **settings)


async def told(ensemble, kind, prompt="why"):
    """Run and return the answer, and the events of one kind."""
    async with ensemble.stream(prompt) as stream:
        events = [event async for event in stream]
    return stream.answer, [event for event in events if isinstance(event, kind)]


def texts(responses):
    return [response.text for response in responses]
