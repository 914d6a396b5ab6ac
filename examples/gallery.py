"""Every published variant of a Mixture of Agents as a few lines; docs/gallery.md says when to use which.

    python examples/gallery.py                                     # all of them, side by side
    python examples/gallery.py self_moa_seq "Why is the sky blue?"  # one, with its answer

Runs on the demo models, or on Together, Groq or Ollama when the environment has one of the variables below.
"""

import asyncio
import os
import sys

import moakit

TEAMS = {
    "TOGETHER_API_KEY": [
        "together/Qwen/Qwen2.5-7B-Instruct-Turbo",
        "together/meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo",
        "together/mistralai/Mixtral-8x7B-Instruct-v0.1",
        "together/meta-llama/Llama-3.3-70B-Instruct-Turbo",
        "together/Qwen/Qwen2.5-72B-Instruct-Turbo",
        "together/Qwen/Qwen2.5-72B-Instruct-Turbo",
    ],
    "GROQ_API_KEY": [
        "groq/llama-3.1-8b-instant",
        "groq/openai/gpt-oss-20b",
        "groq/qwen/qwen3-32b",
        "groq/openai/gpt-oss-120b",
        "groq/llama-3.3-70b-versatile",
        "groq/llama-3.3-70b-versatile",
    ],
    "OLLAMA_HOST": [
        "ollama/gemma3:4b",
        "ollama/llama3.2:3b",
        "ollama/phi4-mini",
        "ollama/qwen3:4b",
        "ollama/qwen3:8b",
        "ollama/qwen3:8b",
    ],
}
DEMO = ["demo/planner", "demo/skeptic", "demo/storyteller", "demo/tinkerer", "demo/editor", "demo/judge"]
*TEAM, EDITOR, JUDGE = next((team for key, team in TEAMS.items() if key in os.environ), DEMO)
BEST = TEAM[-1]  # the strongest of the team


def moa() -> moakit.Layer:
    """MoA: layers of proposers, each reading the one before, then an aggregator."""
    return moakit.MoA(TEAM, EDITOR, layers=3)


def moa_lite() -> moakit.Layer:
    """MoA-Lite: one layer of proposers, then an aggregator."""
    return moakit.MoA(TEAM, EDITOR)


def self_moa() -> moakit.Layer:
    """Self-MoA: samples of the one best model, merged by itself."""
    return moakit.SelfMoA(moakit.Agent(BEST, temperature=0.7), samples=6)


def self_moa_seq() -> moakit.Layer:
    """Self-MoA-Seq: many samples of one model, merged a window at a time."""
    return moakit.Sequential(
        moakit.Agent(BEST, temperature=0.7, samples=10),
        moakit.Window(BEST, size=4),
    )


def sparse_moa() -> moakit.Layer:
    """Sparse MoA: after each layer a judge keeps two, and rounds end early."""
    rounds = moakit.Sequential(moakit.Proposers(*TEAM), moakit.Ranker(JUDGE, keep=2))
    return moakit.Sequential(
        moakit.Until(rounds, times=3, agreement=0.9),
        moakit.Aggregator(EDITOR),
    )


def rmoa() -> moakit.Layer:
    """RMoA: each round keeps the most diverse, adds to them, and ends when nothing changes."""
    round_ = moakit.Sequential(moakit.Diverse(3), moakit.Residual(moakit.Proposers(*TEAM)))
    return moakit.Sequential(
        moakit.Proposers(*TEAM),
        moakit.Until(round_, times=3, agreement=0.9),
        moakit.Aggregator(EDITOR),
    )


def faster_moa() -> moakit.Layer:
    """Faster-MoA: stop waiting once proposals agree, aggregate as a tree."""
    return moakit.Sequential(
        moakit.Proposers(*TEAM, samples=2, agreement=0.8),
        moakit.Tree(EDITOR, fan=3),
    )


def attention_moa() -> moakit.Layer:
    """Attention-MoA: propose, criticise each other, revise, aggregate."""
    return moakit.Sequential(
        moakit.Proposers(*TEAM),
        moakit.Critique(moakit.Agent(BEST)),
        moakit.Revise(),
        moakit.Aggregator(EDITOR),
    )


def pyramid_moa() -> moakit.Layer:
    """Pyramid MoA: a cheap team first, the whole one where it disagrees."""
    return moakit.Cascade(
        moakit.MoA(TEAM[:2], TEAM[0], max_tokens=300),
        moakit.MoA(TEAM, EDITOR),
        agree=0.5,
    )


def llm_blender() -> moakit.Layer:
    """LLM-Blender: rank by comparing pairs, then fuse the best."""
    return moakit.Sequential(
        moakit.Proposers(*TEAM),
        moakit.Ranker(JUDGE, keep=3, by="pairs"),
        moakit.Aggregator(EDITOR),
    )


def archon() -> moakit.Layer:
    """Archon: generate, criticise, rank, then two layers of fusers."""
    return moakit.Sequential(
        moakit.Proposers(*TEAM, samples=2),
        moakit.Critique(JUDGE),
        moakit.Ranker(JUDGE, keep=4),
        moakit.Proposers(*TEAM[:2]),
        moakit.Aggregator(EDITOR),
    )


def universal_self_consistency() -> moakit.Layer:
    """Universal self-consistency: the sample that most others agree with."""
    return moakit.Sequential(
        moakit.Agent(BEST, temperature=0.7, samples=5),
        moakit.MostConsistent(JUDGE),
    )


def self_consistency() -> moakit.Layer:
    """Self-consistency: samples of one model vote."""
    return moakit.Sequential(
        moakit.Agent(BEST, temperature=0.7, samples=5),
        moakit.Voter("number"),
    )


def council() -> moakit.Layer:
    """Council: members rank each other's answers without names, a chair writes."""
    return moakit.Council(TEAM, EDITOR)


def fusion() -> moakit.Layer:
    """Fusion: a judge notes consensus, contradictions and gaps, then one writes."""
    return moakit.Sequential(
        moakit.Proposers(*TEAM),
        moakit.Analyse(JUDGE),
        moakit.Aggregator(EDITOR),
    )


def debate() -> moakit.Layer:
    """Debate: each revises in the light of the others, twice; then they vote."""
    return moakit.Sequential(
        moakit.Proposers(*TEAM),
        *[moakit.Revise()] * 2,
        moakit.Voter("number"),
    )


def deception() -> moakit.Layer:
    """Against deception: what is least like the others is left out."""
    return moakit.Sequential(
        moakit.Proposers(*TEAM),
        moakit.OutlierFilter(drop=1),
        moakit.Aggregator(EDITOR),
    )


def routing() -> moakit.Layer:
    """Routing: what is easy goes to one model, what is hard to a team."""
    return moakit.Router(
        {"hard": moakit.MoA(TEAM, EDITOR), "easy": TEAM[0]},
        by={"hard": ["why", "prove", "compare", r"/\bhow (many|much)\b/"]},
        default="easy",
    )


def best_of_n() -> moakit.Layer:
    """Best of n: a judge picks one of several samples, verbatim."""
    return moakit.Sequential(
        moakit.Agent(BEST, temperature=0.7, samples=5),
        moakit.BestOf(JUDGE),
    )


def peer_review() -> moakit.Layer:
    """Peer review: the one that its peers rank highest, without names."""
    return moakit.Sequential(moakit.Proposers(*TEAM), moakit.PeerReview(*TEAM))


def decomposition() -> moakit.Layer:
    """Decomposition: a question is split, its parts are answered side by side, then put together."""
    return moakit.Sequential(
        moakit.Map(TEAM[0], split=JUDGE, most=4),
        moakit.Aggregator(EDITOR),
    )


def even_handed() -> moakit.Layer:
    """Even-handed: long proposals are cut and all are shuffled before they are read."""
    return moakit.Sequential(
        moakit.Proposers(*TEAM),
        moakit.Truncate(600),
        moakit.Shuffle(seed=1),
        moakit.Aggregator(EDITOR),
    )


VARIANTS = {
    make.__name__: make
    for make in (
        moa, moa_lite, self_moa, self_moa_seq, sparse_moa, rmoa, faster_moa, attention_moa, pyramid_moa,
        llm_blender, archon, universal_self_consistency, self_consistency, council, fusion, debate, deception,
        routing, best_of_n, peer_review, decomposition, even_handed,
    )
}  # fmt: skip
QUESTION = "How many legs do 12 spiders have?"


async def compare(question: str) -> None:
    """Run all side by side and print what each took."""
    ensembles = {name: make() for name, make in VARIANTS.items()}
    print(f"{', '.join(TEAM)} propose, {EDITOR} writes, {JUDGE} judges")
    answers = await asyncio.gather(*(ensemble.run(question) for ensemble in ensembles.values()))
    for (name, ensemble), answer in zip(ensembles.items(), answers, strict=True):
        planned = ensemble.summary().calls
        print(f"{name:27} {len(answer.calls):2} calls, {planned:2} planned, {answer.duration:4.1f} s")


if __name__ == "__main__":
    name, question = [*sys.argv[1:], "", ""][:2]
    if name:
        ensemble = VARIANTS[name]()
        print(ensemble)
        print(ensemble(question or QUESTION))
    else:
        asyncio.run(compare(question or QUESTION))
