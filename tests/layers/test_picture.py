"""An ensemble's picture: read back by a small grammar of Mermaid, for any tree of layers."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from moakit import (
    Agent,
    Aggregator,
    Cascade,
    Layer,
    Map,
    MoA,
    Proposers,
    Residual,
    Router,
    Sequential,
    Until,
)
from moakit.layers.picture import LONGEST, label
from tests.layers.test_trees import trees

# What Mermaid reads as itself inside quotes, and its codes for everything else; <br/> between two lines.
TEXT = r"""(?:[^"#;`<>&:*\[\]{}|\\\n]|#\d+;|<br/>)+"""
NAME = r"(?:prompt|answer|n(?:\d+(?:_\d+)*)?(?:f\d+|d)?)"
LINES = {
    "begin": re.compile(rf'subgraph (?P<name>{NAME})\["(?P<text>{TEXT})"\]'),
    "end": re.compile("end"),
    "node": re.compile(
        rf'(?P<name>{NAME})(?:\["(?P<text>{TEXT})"\]|\(\["(?:prompt|answer)"\]\)|\{{"\?"\}})(?P<bench>:::bench)?'
    ),
    "edge": re.compile(
        rf'(?P<one>{NAME}) (?:-->|-\.->|-- "{TEXT}" -->|(?P<dotted>-\. "{TEXT}" \.->)) (?P<other>{NAME})'
    ),
    "class": re.compile(rf"class (?P<name>{NAME}) bench"),
    "style": re.compile("classDef bench stroke-dasharray: 4 4"),
}
KEYWORDS = {"end", "graph", "subgraph", "class", "style", "default", "click", "flowchart"}


class Picture:
    """A flowchart that was read: texts by node, who is inside what, edges."""

    def __init__(self, text):
        head, *lines = text.split("\n")
        assert head == "flowchart LR"
        self.texts, self.inside, self.edges, self.dotted = {}, {}, [], []
        self.bench, self.styles = set(), 0
        around = []
        for line in lines:
            indented = line.removeprefix("    " * (1 + len(around) - (line.strip() == "end")))
            kinds = [kind for kind, form in LINES.items() if form.fullmatch(indented)]
            assert len(kinds) == 1, (kinds, line)
            found = LINES[kinds[0]].fullmatch(indented)
            match kinds[0]:
                case "begin" | "node":
                    name = found["name"]
                    assert name not in self.texts and name not in KEYWORDS, "a name stands for one thing"
                    self.texts[name] = found["text"] or ""
                    self.inside[name] = around[-1] if around else ""
                    if kinds[0] == "begin":
                        around.append(name)
                    elif found["bench"]:
                        self.bench.add(name)
                case "end":
                    assert self.texts.keys() - {around[-1]}
                    assert around.pop() in self.inside.values(), "a subgraph is not empty"
                case "edge":
                    assert {found["one"], found["other"]} <= self.texts.keys(), "an edge has two ends"
                    (self.dotted if found["dotted"] else self.edges).append((found["one"], found["other"]))
                case "class":
                    self.bench.add(found["name"])
                case "style":
                    self.styles += 1
        assert not around
        assert self.styles == bool(self.bench)

    def reached(self):
        """Return what the prompt leads to, a subgraph with all that is inside."""
        found, new = set(), {"prompt"}
        while new:
            found |= new
            inner = {name for name, around in self.inside.items() if around in new}
            new = (inner | {b for a, b in [*self.edges, *self.dotted] if a in new}) - found
        return found


def read(layer):
    text = layer.to_mermaid()
    assert text == layer.to_mermaid()
    return Picture(text)


def test_a_mixture_is_drawn_layer_by_layer():
    lead = Aggregator("demo/editor", fallback=["demo/planner", "demo/tinkerer"])
    ensemble = MoA(["demo/planner", Agent("demo/skeptic", samples=3)], lead, bench=["demo/storyteller"])
    assert (
        ensemble.to_mermaid()
        == """\
flowchart LR
    prompt(["prompt"])
    subgraph n0["Proposers"]
        n0_0["demo/planner"]
        n0_1["demo/skeptic × 3"]
        n0_2["demo/storyteller"]:::bench
    end
    n1["Aggregator<br/>demo/editor"]
    n1f0["demo/planner"]
    n1f1["demo/tinkerer"]
    answer(["answer"])
    n1 -. "fallback" .-> n1f0
    n1f0 -. "fallback" .-> n1f1
    prompt --> n0
    n0 --> n1
    n1 --> answer
    classDef bench stroke-dasharray: 4 4"""
    )


@settings(max_examples=80, deadline=None)
@given(trees)
def test_any_tree_can_be_read_back(tree):
    picture = read(tree)
    named = {path: layer for path, layer in tree.named_layers() if isinstance(layer, Agent)}
    drawn = [text for text in picture.texts.values() if "demo/" in text]
    assert len(drawn) == len(named), "every agent has one node"
    for path, agent in named.items():
        name = "n" + path.replace(".", "_")
        # An agent alone in its layer shares that one's node.
        shown = picture.texts.get(name) or picture.texts[name.rpartition("_")[0] or "n"]
        assert agent.model in shown
        assert agent.samples == 1 or shown.endswith(f"× {agent.samples}")
    assert picture.reached() == picture.texts.keys(), "everything hangs together"


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


@settings(max_examples=200, deadline=None)
@given(names, names)
@example("\r", " ")
def test_any_name_can_be_read_back(name, description):
    inner = MoA(["demo/planner", "demo/skeptic"], "demo/editor", name=name, description=description)
    picture = read(Sequential(Proposers(inner, "demo/planner"), "demo/editor"))
    shown = re.sub(r"#(\d+);", lambda code: chr(int(code[1])), picture.texts["n0_0"])
    wanted = " ".join(name.split())
    assert shown == (wanted or "MoA") or (len(wanted) > LONGEST and shown == wanted[: LONGEST - 1] + "…")


@settings(max_examples=200, deadline=None)
@given(names)
def test_a_label_is_inert(name):
    assert re.fullmatch(TEXT + "|", label(name))


@pytest.mark.parametrize(
    "text", ["1. x", "- x", "`x`", "style:a#b;c", "</script>", 'a"]; click n "x"', "end"]
)
def test_what_mermaid_would_read_as_its_own_is_written_as_codes(text):
    drawn = label(text)
    assert not re.search(r"""["`<>:*]|[.-]\s|style:""", drawn)
    assert re.sub(r"#(\d+);", lambda code: chr(int(code[1])), drawn) == text


def test_the_bench_is_dashed_also_where_it_is_an_ensemble():
    inner = MoA(["demo/planner", "demo/skeptic"], "demo/editor")
    picture = read(Sequential(Proposers("demo/planner", bench=[inner, "demo/planner"]), "demo/editor"))
    assert picture.bench == {"n0_1", "n0_2"}


def test_routes_hang_on_what_chooses():
    routes = {"code": "demo/tinkerer", 'a "talk"': MoA(["demo/planner"] * 2, "demo/editor")}
    by_words = read(Router(routes, by={"code": ["python"]}, default="code"))
    assert by_words.dotted == [("nd", "n0"), ("nd", "n1")]
    assert by_words.texts["n"] == "Router<br/>default = code"
    by_agent = read(Router(routes, by="demo/skeptic"))
    assert by_agent.dotted == [("n2", "n0"), ("n2", "n1")]


def test_stages_rounds_and_parts_are_linked():
    stage = MoA(["demo/planner", "demo/skeptic"], "demo/editor")
    assert read(Cascade(stage, stage, "demo/editor")).dotted == [("n0", "n1"), ("n1", "n2")]
    assert read(Until(Aggregator("demo/editor"))).dotted == [("n0", "n0")]
    assert ("n1", "n0") in read(Map("demo/planner", split="demo/skeptic")).edges
    assert ("nd", "n0") in read(Map("demo/planner", split=lambda prompt, references: ["a"])).edges


class Own(Layer):
    """A layer of one's own, with two agents inside."""

    def __init__(self, lead, team):
        self.lead = lead
        self.team = team
        self.bench = 3


def test_a_layer_of_ones_own_is_drawn_with_what_is_inside():
    own = Own(Agent("demo/editor"), [Agent("demo/planner"), Residual("demo/skeptic")])
    picture = read(Sequential("demo/planner", own))
    assert picture.texts["n1"] == "Own<br/>bench = 3"
    assert picture.texts["n1_2"] == "Residual<br/>demo/skeptic"

    class Alone(Layer):
        pass

    assert read(Sequential("demo/planner", Alone())).texts["n1"] == "Alone"


def test_a_notebook_shows_the_picture_and_the_cost():
    ensemble = MoA(["demo/planner", "demo/skeptic"], "demo/editor", layers=3)
    shown = ensemble._repr_markdown_()
    assert shown == f"```mermaid\n{ensemble.to_mermaid()}\n```\n\n5 calls in 3 steps\n"
    assert Agent("demo/planner")._repr_markdown_().endswith("\n1 call in 1 step\n")


def test_a_layer_that_cannot_run_by_itself_has_no_cost_in_a_notebook():
    lead = Aggregator("demo/editor")
    assert lead._repr_markdown_() == f"```mermaid\n{lead.to_mermaid()}\n```\n"
