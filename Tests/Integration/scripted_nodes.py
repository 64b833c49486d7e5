# SPDX-License-Identifier: BSD-2-Clause
#
# A primary and a secondary that do what a test tells them (scripted.py tells how). By themselves
# they are right ones: the primary serves the leaves it was given, the secondary copies those of a
# real primary when it is asked. Below them stand wrong answers of each kind, beside those of
# answers.py that fit any server.

import dataclasses
import os
import pathlib
import re
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import answers
import ed25519
import harness
import merkle
import wire
from scripted import TEXT, Exchange, ScriptedServer

# As ours says it, and as log-go does.
AT_END, LOG_GO_AT_END = b"at end of tree\n", b"(404) at end of tree\n"


# ---- A primary


@dataclass(frozen=True)
class LeafRange:
    """get-leaves/<start>/<end>, and the seconds that Prefer asks to wait for."""

    start: int
    end: int
    wait: int | None


class ScriptedPrimary(ScriptedServer):
    """
    The internal get-leaves of a primary. `honors_wait`: as ours, else as log-go's, which does not
    know Prefer. At most `max_range` leaves are in an answer.
    """

    is_asked_one_at_a_time = False

    def __init__(self, leaves: Sequence[bytes] = (), max_range: int = 512, honors_wait: bool = True,
                 **options):
        super().__init__(**options)
        self.leaves = list(leaves)
        self.max_range = max_range
        self.honors_wait = honors_wait
        self._grown = threading.Event()
        self.behave()

    @property
    def internal_url(self) -> str:
        return self.url

    def set_leaves(self, leaves: Sequence[bytes]) -> None:
        """Another tree, or more of the same; who waits is answered."""
        with self._changed:
            self.leaves = list(leaves)
            grown, self._grown = self._grown, threading.Event()
        grown.set()

    def exchange(self, leaves: Sequence[bytes]) -> None:
        """Another tree, as of a primary that was stopped and comes back with it."""
        self.close()
        self.leaves = list(leaves)
        self.start()

    def behave(self) -> None:
        self.always(self.answer)

    def parse(self, method, target, fields, data) -> LeafRange:
        match = re.fullmatch(
            re.escape(self.prefix) + "/get-leaves/(0|[1-9][0-9]*)/(0|[1-9][0-9]*)", target)
        assert method == "GET" and match and not data, f"{method} {target}"
        start, end = int(match[1]), int(match[2])
        assert start < end, target
        return LeafRange(start, end, wait_of(fields))

    def judge(self, request) -> tuple[int, str, bytes]:
        asked, leaves = request.body, self.leaves
        if asked.start > len(leaves):
            return 400, TEXT, b"start is past the end\n"
        if asked.start == len(leaves):
            return 404, TEXT, AT_END if self.honors_wait else LOG_GO_AT_END
        end = min(asked.end, len(leaves), asked.start + self.max_range)
        return 200, TEXT, leaf_lines(leaves[asked.start:end])

    def answer(self, exchange: Exchange) -> None:
        """As a right one: held at the end of the tree where that is asked for and honored."""
        asked = exchange.request.body
        if asked.wait is None or not self.honors_wait:
            exchange.judge_and_respond()
            return
        with self._changed:
            grown, size = self._grown, len(self.leaves)
        if asked.start == size:
            exchange.wait(asked.wait, grown)
        exchange.judge_and_respond(fields=(f"Preference-Applied: wait={asked.wait}",))


def leaf_lines(leaves: Sequence[bytes]) -> bytes:
    """A get-leaves body."""
    return "".join(f"leaf={leaf[:32].hex()} {leaf[32:96].hex()} {leaf[96:].hex()}\n"
                   for leaf in leaves).encode()


def made_leaves(count: int, name: bytes = b"", start: int = 0) -> list[bytes]:
    """Leaves as a primary has them, 128 bytes each. Whether their signatures hold nobody asks."""
    return [wire.Leaf(name + number.to_bytes(32, "big"), bytes(64), bytes(32)).encoded
            for number in range(start, start + count)]


def _with_leaves(change: Callable[[LeafRange, list[bytes]], bytes]) -> answers.Answer:
    """A 200 made from the leaves of a right one; whatever is no 200 is answered as it is right."""

    def answer(exchange: Exchange) -> None:
        status, content_type, body = exchange.server.judge(exchange.request)
        if status == 200:
            body = change(exchange.request.body, wire.parse_leaves(body))
        exchange.respond(status, body, content_type)

    return answer


def _edited(old: bytes, new: bytes) -> answers.Answer:
    """The last line is edited."""
    return _with_leaves(lambda _, leaves: leaf_lines(leaves[:-1])
                        + leaf_lines(leaves[-1:]).replace(old, new, 1))


WRONG_LEAVES: dict[str, answers.Answer] = {
    "empty": _with_leaves(lambda *_: b""),
    "a line feed": _with_leaves(lambda *_: b"\n"),
    "text": _with_leaves(lambda *_: b"<html>welcome</html>\n"),
    "garbage": _with_leaves(lambda *_: os.urandom(266)),
    "no line feed": _with_leaves(lambda _, leaves: leaf_lines(leaves)[:-1]),
    "a line feed more": _with_leaves(lambda _, leaves: leaf_lines(leaves) + b"\n"),
    "a space more": _edited(b" ", b"  "),
    "a space less": _edited(b" ", b""),
    "carriage return": _edited(b"\n", b"\r\n"),
    "other key": _edited(b"leaf=", b"Leaf="),
    "a digit more": _edited(b"leaf=", b"leaf=0"),
    "not hexadecimal": _with_leaves(lambda _, leaves: leaf_lines(leaves)[:-2] + b"g\n"),
    "another last line": _with_leaves(lambda _, leaves: leaf_lines(leaves) + b"size=3\n"),
    "more than asked for": _with_leaves(
        lambda asked, leaves: leaf_lines(leaves)
        + leaf_lines(made_leaves(1, b"more")) * (asked.end - asked.start)),
}


# ---- A secondary


@dataclass(frozen=True)
class KnownSize:
    """get-secondary-tree-head, the `size` of its query, and what Prefer asks to wait for."""

    size: int | None
    wait: int | None


class ScriptedSecondary(ScriptedServer):
    """
    The tree head of a secondary that has all that its primary has, or the first `limit` leaves of
    it. It is polled as log-go's, unless it `honors_wait`.
    """

    def __init__(self, primary: harness.Server, honors_wait: bool = False, **options):
        super().__init__(**options)
        self.signer = ed25519.Signer()
        self.public_key, self.key_hash = self.signer.public_key, self.signer.key_hash
        self.primary = primary
        self.limit: int | None = None
        self.honors_wait = honors_wait
        self._hashes: list[bytes] = []
        # A request that its primary has given up may still be at it.
        self._copying = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="sigsum-secondary-")
        self.public_key_file = pathlib.Path(self._folder.name) / "secondary.pub"
        self.public_key_file.write_bytes(self.signer.openssh_public())
        self.behave()

    def behave(self) -> None:
        self.always(self.answer)

    def __exit__(self, *error) -> None:
        self._folder.cleanup()
        super().__exit__(*error)

    def parse(self, method, target, fields, data) -> KnownSize:
        match = re.fullmatch(re.escape(self.prefix) +
                             r"/get-secondary-tree-head(?:\?size=(0|[1-9][0-9]*))?", target)
        assert method == "GET" and match and not data, f"{method} {target}"
        return KnownSize(None if match[1] is None else int(match[1]), wait_of(fields))

    def tree_head(self) -> wire.TreeHead:
        """Copies what is new, and signs."""
        with self._copying:
            while self.limit is None or len(self._hashes) < self.limit:
                start = len(self._hashes)
                end = start + 512 if self.limit is None else self.limit
                try:
                    answer = self.primary.get(f"/get-leaves/{start}/{end}", internal=True)
                except (OSError, wire.ConnectionClosed):  # it is down, or ends
                    break
                if answer.status != 200:
                    break
                self._hashes += map(merkle.hash_leaf, wire.parse_leaves(answer.body))
            size = len(self._hashes)
            root_hash = merkle.roots(self._hashes, [size])[size]
        return wire.TreeHead.make(self.signer, size, root_hash)

    def judge(self, request, change: Callable[[wire.TreeHead], wire.TreeHead] = lambda head: head
              ) -> tuple[int, str, bytes]:
        return 200, TEXT, change(self.tree_head()).encoded

    def answer(self, exchange: Exchange) -> None:
        asked = exchange.request.body
        if asked.wait is None or not self.honors_wait:
            exchange.judge_and_respond()
            return
        until = time.monotonic() + asked.wait
        while self.tree_head().size <= (asked.size or 0) and time.monotonic() < until:
            exchange.wait(0.02)
        exchange.judge_and_respond(fields=(f"Preference-Applied: wait={asked.wait}",))


def changed_head(change: Callable[[ScriptedSecondary, wire.TreeHead], wire.TreeHead]
                 ) -> answers.Answer:
    """A head made from the right one."""

    def answer(exchange: Exchange) -> None:
        secondary = exchange.server
        exchange.respond(200, change(secondary, secondary.tree_head()).encoded)

    return answer


def _flipped(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


# Not signed, or not by its key.
WRONG_SIGNATURES: dict[str, answers.Answer] = {
    "a flipped bit": changed_head(
        lambda _, head: dataclasses.replace(head, signature=_flipped(head.signature))),
    "zeroes": changed_head(lambda _, head: dataclasses.replace(head, signature=bytes(64))),
    "another key": changed_head(
        lambda _, head: wire.TreeHead.make(ed25519.Signer(), head.size, head.root_hash)),
    # What is signed names the key that signs.
    "the log's name": changed_head(lambda secondary, head: dataclasses.replace(
        head, signature=secondary.signer.sign(wire.TreeHead.signed_text(
            secondary.primary.public_key, head.size, head.root_hash)))),
    "another size": changed_head(
        lambda _, head: dataclasses.replace(head, size=max(0, head.size - 1))),
}

# Signed, and of another tree.
other_root = changed_head(lambda secondary, head: wire.TreeHead.make(
    secondary.signer, head.size, _flipped(head.root_hash)))


def ahead(count: int) -> answers.Answer:
    """So many leaves more than the primary has."""
    return changed_head(lambda secondary, head: wire.TreeHead.make(
        secondary.signer, head.size + count, os.urandom(32)))


def _edited_head(change: Callable[[bytes], bytes]) -> answers.Answer:
    def answer(exchange: Exchange) -> None:
        exchange.respond(200, change(exchange.server.tree_head().encoded))

    return answer


WRONG_HEADS: dict[str, answers.Answer] = {
    "empty": answers.body(b""), "text": answers.body(b"hello\n"), "garbage": answers.garbage,
    "no line feed": _edited_head(lambda head: head[:-1]),
    "a line feed more": _edited_head(lambda head: head + b"\n"),
    "carriage returns": _edited_head(lambda head: head.replace(b"\n", b"\r\n")),
    "leading zero": _edited_head(lambda head: head.replace(b"size=", b"size=0")),
    "negative size": _edited_head(lambda head: head.replace(b"size=", b"size=-")),
    "no signature": _edited_head(lambda head: head[:head.index(b"signature=")]),
    "other order": _edited_head(lambda head: b"".join(reversed(head.splitlines(keepends=True)))),
}


def wait_of(fields: Sequence[tuple[str, str]]) -> int | None:
    values = [value for name, value in fields if name == "prefer"]
    if not values:
        return None
    match = re.fullmatch(r"wait=(0|[1-9][0-9]*)", values[0])
    assert len(values) == 1 and match, f"Prefer: {values}"
    return int(match[1])
