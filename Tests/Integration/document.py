# SPDX-License-Identifier: BSD-2-Clause
#
# The commands of a document, as blocks of Markdown. What a block is stands behind its fence:
#
#     ```sh machine=b,c        commands for those machines; further words are the document's own
#     ```sh site               variables for what differs between sites: the first block
#     ```text prints           what the commands before print, as `Prints` compares it
#     ```text wrong            lines of a server or tool when something is wrong

import difflib
import functools
import pathlib
import re
from dataclasses import dataclass, field

import harness


@dataclass
class Block:
    """A fenced block; behind its language stand `words`, `values` those of the form name=value."""

    line: int
    section: str
    language: str
    words: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    text: str = ""

    @property
    def machines(self) -> list[str]:
        return self.values["machine"].split(",")

    @property
    def is_command(self) -> bool:
        return self.language == "sh" and "site" not in self.words


class Document:
    def __init__(self, name: str):
        self.path = harness.ROOT / "docs" / name
        self.blocks = list(_blocks(self.path))

    @property
    def variables(self) -> list[str]:
        """The names that the site block sets."""
        (site,) = [block for block in self.blocks if "site" in block.words]
        return re.findall(r"^([a-z]+)=", site.text, re.MULTILINE)

    def section(self, title: str) -> list[Block]:
        """The blocks below that heading, those of lower headings not among them."""
        blocks = [block for block in self.blocks if block.section == title]
        assert blocks, f"{self.path}: no section {title!r} with blocks"
        return blocks

    def output_of(self, block: Block) -> Block | None:
        """What the document says that the commands print."""
        following = self.blocks[self.blocks.index(block) + 1:][:1]
        return next((block for block in following if "prints" in block.words), None)

    @property
    def wrong_lines(self) -> list[str]:
        """The lines of all `wrong` blocks, and those in the first column of a table of lines."""
        lines = [line for block in self.blocks if "wrong" in block.words
                 for line in block.text.splitlines()]
        _, _, table = self.path.read_text().partition("\n| line |")
        return lines + re.findall(r"^\| `(.*?)` \|", table, re.MULTILINE)


def _blocks(path: pathlib.Path):
    section, block = "", None
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if block is None and line.startswith("```"):
            language, *words = line[3:].split() or [""]
            values = dict(word.split("=", 1) for word in words if "=" in word)
            block = Block(number, section, language, words, values)
        elif line == "```":
            yield block
            block = None
        elif block is not None:
            block.text += line + "\n"
        elif line.startswith("#"):
            section = line.lstrip("#").strip()
    assert block is None, f"{path}: a block without an end"


# What differs from one time to the next; a document has an example, compared by its kind.
_KINDS = [
    ("<date>", r"\b\d{4}/\d{2}/\d{2} \d{2}:\d{2}:\d{2}\b"),
    ("witness <name>", r"\bwitness [\w-]+(?=:)"),
    ("<names>", r"(?<=no cosignature of ).+"),
    ("<url>", r"\bhttps?://[A-Za-z0-9.:-]*[A-Za-z0-9]"),
    ("<endpoint>", r"\b(?:localhost|\d+\.\d+\.\d+\.\d+):\d+\b"),
    ("<hex>", r"\b[0-9a-f]{8,}(?:\.\.\.|\b)"),
    ("<number>", r"\b\d+(?:\.\d+)?(?:e[+-]?\d+)?\b"),
]


def kinds(line: str, names: dict[str, str] = {}) -> str:
    """The line with its dates, URLs, digests and numbers named by their kind."""
    for old, new in names.items():
        line = line.replace(old, new)
    for name, pattern in _KINDS:
        line = re.sub(pattern, name, line)
    return line


def differences(expected: str, found: str, names: dict[str, str]) -> str | None:
    """
    How what was printed differs from what the document says; None when it does not. A line `...`
    stands for any number of lines. `names` are replaced in what was printed.
    """
    wanted = [kinds(line) for line in expected.splitlines()]
    lines = [kinds(line, names) for line in found.splitlines()]
    pattern = "".join(r"(?:.*\n)*?" if line == "..." else re.escape(line) + r"\n"
                      for line in wanted)
    if re.fullmatch(pattern, "".join(line + "\n" for line in lines)):
        return None
    return "\n".join(difflib.unified_diff(wanted, lines, "the document", "printed", lineterm=""))


# What a program says stands in its sources, in one string or joined from several.
_JOINTS = re.compile(r'"\s*\n?\s*\+\s*\n?\s*"|\\\n\s*')


def said_by_sources(line: str) -> bool:
    """
    Whether each part of the line that does not vary is in the sources. A line is put together from
    what happened and a reason, which another file has.
    """
    line = re.sub(r"^\S+ \S+ \[[A-Z]{4}\] |^sigsum[- ]\S+: ", "", line)
    line = re.sub(r"/(?:etc|var/lib)/[\w./-]*[\w/-]", "<path>", kinds(line))
    parts = [part for part in _SEAMS.split(line) if len(part) > 3]
    return bool(parts) and all(part in _sources() for part in parts)


# Between what happened and the reason, and around what somebody else said.
_SEAMS = re.compile(r"<[^<>]*>|[:.;] |\"[^\"]*\"|\([^()]*\)|expected |, found ")


@functools.cache
def _sources() -> str:
    return "\n".join(_JOINTS.sub("", path.read_text())
                     for path in sorted((harness.ROOT / "Sources").rglob("*.swift")))
