"""The checks of pages find what is wrong with them."""

from pathlib import Path

import pytest

from tests.docs.commands import checked_commands
from tests.docs.curl import main as curl
from tests.docs.markdown import Block, Page
from tests.docs.session import Session, checked_toml
from tests.docs.shell import FreePorts
from tests.docs.wildcards import difference, rough_difference
from tests.upstream import Upstream

RIGHT = """
```python
print("one", 2)
```

```text
one …
```

```python hello.py
print(f"{__name__} says hello")
```

```console
$ python hello.py
__main__ says hello
$ false || echo "error: shown" && false
error: shown
$ echo $?
1
```
"""
WRONG = """
```ruby
puts 1
```

```python
print("one")
```

```text
two
```

```python
1 / 0
```

```python unheard-of
print()
```

```console
$ echo one
two
```

```console
$ exit_code_of_nobody
```

```console
$ moa serve --host 0.0.0.0 --port 6666
moakit serves …
```

```toml
[ensembles.panel]
proposers = ["demo/planner"]
agregator = "demo/editor"
```

```json
{"open": 1
```

```sh
make coffee
```

```text
nothing printed this
```
"""


def follow(text: str, folder: Path, binaries: Path, stand_in: Upstream) -> dict[Block, str]:
    page = folder / "page.md"
    page.write_text(text, encoding="utf-8")
    return Session(folder, binaries, stand_in.base_url, FreePorts()).follow(Page(page))


def test_a_good_page_passes(tmp_path: Path, binaries: Path, stand_in: Upstream) -> None:
    assert [said for said in follow(RIGHT, tmp_path, binaries, stand_in).values() if said] == []


def test_every_bad_block_is_found(tmp_path: Path, binaries: Path, stand_in: Upstream) -> None:
    found = follow(WRONG, tmp_path, binaries, stand_in)
    assert [block for block, said in found.items() if not said and 'print("one")' not in block.text] == []


@pytest.mark.parametrize(
    ("shown", "came", "same"),
    [
        ("a\nb", "a\nb\n", True),
        ("a\nb", "a\nc", False),
        ("a …\nz", "a b\nc\nz", True),
        ("a …\nz", "a b\nc\ny", False),
        ("a", "a b", False),
        ("…", "", True),
    ],
)
def test_a_wildcard_stands_for_anything(shown: str, came: str, same: bool) -> None:
    assert (not difference(shown, came)) is same


def test_a_rough_comparison_passes_over_figures_and_white_space() -> None:
    assert not rough_difference("took 1.4 s\n47 tokens", "took 12 s 3 tokens")
    assert rough_difference("took 1.4 s", "lost 1.4 s")


@pytest.mark.parametrize(
    "command",
    [
        "make test ARGS=-x",
        "PYTHON=python3.12 make demo  # a comment",
        'pip install ".[server]"',
        r".venv\Scripts\python -m pip install -r requirements\dev.txt",
        "py -3 -m venv .venv",
        "python -m pytest tests/docs -x",
        'moa ask -p demo/planner "Why?"',
        '$env:GROQ_API_KEY = "your key"',
        "git clone https://example.com/moakit && cd moakit",
    ],
)
def test_good_commands_pass(command: str) -> None:
    assert checked_commands(command) == ""


@pytest.mark.parametrize(
    "command",
    [
        "make coffee",
        "make test FLAVOUR=mint",
        'pip install ".[fast]"',
        "pip install left-pad",
        "pip install -r requirements/none.txt",
        "python -m pytest tests/none",
        "python none.py",
        "moa sing",
        "moa ask --louder",
        "black .",
        "rm -rf .",
    ],
)
def test_bad_commands_are_found(command: str) -> None:
    assert checked_commands(command)


def test_the_schema_and_the_loader_agree() -> None:
    panel = '[ensembles.panel]\nproposers = ["demo/planner"]\naggregator = "demo/editor"\n'
    assert checked_toml(panel) == ""
    assert checked_toml(f"{panel}[server]\nport = 1\n") == ""
    with pytest.raises(Exception, match="port"):
        checked_toml(f"{panel}[server]\nport = 70000\n")


def test_the_stand_in_for_curl_asks(stand_in: Upstream, capsys: pytest.CaptureFixture[str]) -> None:
    body = '{"model": "say:hello", "messages": [{"role": "user", "content": "hi"}]}'
    assert (
        curl(["-si", f"{stand_in.base_url}/chat/completions", "-d", body, "-H", "Authorization: Bearer k"])
        == 0
    )
    said = capsys.readouterr().out
    assert said.startswith("HTTP/1.1 200 OK\n") and '"content": "hello"' in said.replace('":"', '": "')
