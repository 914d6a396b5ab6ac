"""The documentation as data: pages, their fenced blocks, headings and links."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
GENERATED = re.compile(r"<!-- generated: [\w-]+ -->\n.*?<!-- end of generated -->", re.DOTALL)
_BLOCK = re.compile(r"^( *)(`{3,}).*?^\1\2$", re.MULTILINE | re.DOTALL)
_FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<info>.*)$")
_HEADING = re.compile(r"^#{1,6} +(?P<text>.+?) *$")
_LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<target>[^()\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the words after it, its text, and where it stands."""

    page: str
    line: int
    language: str
    words: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line} ({self.language})"

    @property
    def file(self) -> str | None:
        """The name of the file this block is, if it is one: the word with a dot in it."""
        return next((word for word in self.words if "." in word), None)


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        return (self.path.relative_to(ROOT) if self.path.is_relative_to(ROOT) else self.path).as_posix()

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def blocks(self) -> list[Block]:
        """The fenced blocks in order; those in generated parts belong to docs/generate.py."""
        text = GENERATED.sub(lambda match: "\n" * match[0].count("\n"), self.text)
        blocks: list[Block] = []
        opened: tuple[int, str, str] | None = None
        lines: list[str] = []
        for number, line in enumerate(text.split("\n"), 1):
            fence = _FENCE.match(line)
            if opened is None:
                if fence:
                    opened, lines = (number, fence["ticks"], fence["info"]), []
            elif fence and fence["ticks"] == opened[1] and not fence["info"]:
                language, *words = opened[2].split() or [""]
                blocks.append(Block(self.name, opened[0], language, tuple(words), "\n".join(lines) + "\n"))
                opened = None
            else:
                lines.append(line)
        assert opened is None, f"{self.name}:{opened and opened[0]}: this block has no end"
        return blocks

    def prose(self) -> str:
        """The text without its fenced blocks and its code spans."""
        return re.sub(r"`[^`\n]*`", "", _BLOCK.sub("", self.text))

    def links(self) -> list[str]:
        """The targets of its links and images."""
        return [match["target"] for match in _LINK.finditer(self.prose())]

    def anchors(self) -> set[str]:
        """What `#…` may point to, as GitHub derives it from the headings."""
        found: set[str] = set()
        for line in _BLOCK.sub("", self.text).split("\n"):
            if heading := _HEADING.match(line):
                slug = re.sub(r"[^\w\- ]", "", heading["text"].lower().replace("`", "")).replace(" ", "-")
                count = 0
                while (name := f"{slug}-{count}" if count else slug) in found:
                    count += 1
                found.add(name)
        return found


DOCS = [Page(path) for path in sorted((ROOT / "docs").glob("*.md"))]
PAGES = [Page(ROOT / "README.md"), Page(ROOT / "CONTRIBUTING.md"), *DOCS]
"""The pages whose every block is checked."""
LINKED = [Page(path) for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("benchmarks/*.md")])] + DOCS
"""The pages whose links are checked."""
