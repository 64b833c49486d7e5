# SPDX-License-Identifier: BSD-2-Clause
#
# Secondaries for the integration tests: ours as `Secondary`, log-go's as `LogGoSecondary`, and how
# a primary is told of them. What a secondary says of its tree is checked by its own key. Promotion
# is done here as an operator does it.
#
#     with Secondary(primary) as secondary:          # follows the primary's internal endpoint
#         set_secondaries(primary, [secondary])      # before the primary's start
#         secondary.wait_until_size(3)

import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Sequence

import ed25519
import harness
import merkle
import wire


class Replica:
    """What both kinds of secondary can be asked."""

    @property
    def public_key_file(self) -> pathlib.Path:
        path = self.folder / "secondary.pub"
        path.write_bytes(self.signer.openssh_public())
        return path

    def head_response(self, known_size: int | None = None, wait_seconds: int | None = None
                      ) -> wire.Response:
        target = "/get-secondary-tree-head" + ("" if known_size is None else f"?size={known_size}")
        fields = {} if wait_seconds is None else {"Prefer": f"wait={wait_seconds}"}
        return self.request("GET", target, internal=True, **fields)

    def secondary_tree_head(self, known_size: int | None = None, wait_seconds: int | None = None
                            ) -> wire.TreeHead:
        """What it has; its own signature is checked, and that nobody has cosigned."""
        answer = self.head_response(known_size, wait_seconds)
        assert answer.status == 200, f"{answer.status} {answer.text}"
        head = wire.parse_tree_head(answer.body)
        assert head.is_signed_by(self.public_key), "the secondary's signature is wrong"
        assert not head.cosignatures, "a secondary's tree head is not cosigned"
        return head

    @property
    def size(self) -> int:
        return self.secondary_tree_head().size

    def wait_until_size(self, size: int) -> wire.TreeHead:
        """Its first tree head of at least that size; one of ours holds the request until then."""
        deadline = time.monotonic() + wire.DEADLINE_SECONDS
        known = None
        while time.monotonic() < deadline:
            head = self.secondary_tree_head(known, wait_seconds=5)
            if head.size >= size:
                return head
            known = head.size
        raise AssertionError(f"no {size} leaves until the deadline, but {known}:\n{self.output}")


class Secondary(Replica, harness.Log):
    """Our secondary of a primary, or of whatever has that URL."""

    def __init__(self, primary: harness.Server | str, folder=None, **options):
        url = primary if isinstance(primary, str) else primary.internal_url
        super().__init__(folder, role="secondary", **{"primary_url": url} | options)


class LogGoSecondary(Replica, harness.LogGo):
    """log-go's: it polls once per `interval`, 100 leaves a request, until there are no more."""

    def __init__(self, primary: harness.Server | str, **options):
        url = primary if isinstance(primary, str) else primary.internal_url
        super().__init__(role="secondary", **{"primary_url": url} | options)


def set_secondaries(log: harness.Server, secondaries: Sequence, quorum: int | None = None,
                    uses_tables: bool | None = None) -> None:
    """
    Tells a primary, before its next start, of its secondaries: one by the two options, several, or
    with `uses_tables` also one, by tables of a configuration file.
    """
    for option in ("secondary_url", "secondary_pubkey_file"):
        log.options.pop(option, None)
    if len(secondaries) == 1 and not uses_tables:
        (secondary,) = secondaries
        log.options["secondary_url"] = url_of(secondary)
        log.options["secondary_pubkey_file"] = secondary.public_key_file
        return
    lines = ["[primary]"] + ([] if quorum is None else [f"secondary-quorum = {quorum}"])
    for secondary in secondaries:
        lines += ["[[primary.secondary]]", f'url = "{url_of(secondary)}"',
                  f'pubkey-file = "{secondary.public_key_file}"']
    log.configuration_file = log.folder / "config.toml"
    log.configuration_file.write_text("\n".join([*lines, ""]))


def url_of(secondary) -> str:
    """A scripted one has a URL, a server an internal endpoint."""
    return secondary.internal_url if isinstance(secondary, harness.Server) else secondary.url


def freeze(server: harness.Server) -> None:
    """
    SIGSTOP, until nothing in the process runs any more: the signal goes to one of its threads, and
    the others run on until that one has had a processor.
    """
    server.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, server.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)


# ---- Failover


def order_promotion(store: os.PathLike, sth_file: os.PathLike) -> subprocess.CompletedProcess:
    """`sigsum mktree --mode=local-tree` as the operator of a secondary's store runs it."""
    return harness.run(
        harness.BINARY, "mktree", "--mode=local-tree", f"--store-dir={store}",
        f"--sth-file={sth_file}", env=os.environ | {"SIGSUM_LOGSERVER_CONFIG": os.devnull})


def promoted(secondary: Secondary, key: ed25519.Signer, **options) -> harness.Log:
    """
    The primary that a stopped secondary becomes, ordered and not yet started. It has the log's key,
    a new folder, and the secondary's store where it lies.
    """
    log = harness.Log(key=key, **{"store_dir": secondary.store} | options)
    log.store = secondary.store
    ordered = order_promotion(log.store, log.sth_file)
    if ordered.returncode != 0:
        log.close()
    assert ordered.returncode == 0, ordered.stdout + ordered.stderr
    return log


def take_address(new: harness.Log, old: harness.Log) -> None:
    """The new primary gets the address that clients know, the old one another. Neither runs."""
    new.external, old.external = old.external, ("127.0.0.1", harness.free_port())
    for log in (new, old):
        log.options["external_endpoint"] = "{}:{}".format(*log.external)


# ---- Judging


def assert_same_tree(primary: harness.Server, secondary: Replica, size: int) -> wire.TreeHead:
    """Both have exactly these leaves, and say so; returns the secondary's head."""
    head = secondary.wait_until_size(size)
    leaves = primary.leaves(internal=True)
    assert len(leaves) == size, f"the primary has {len(leaves)} leaves"
    assert head.size == size, f"the secondary has {head.size} leaves, the primary {size}"
    root = merkle.roots([merkle.hash_leaf(leaf) for leaf in leaves], [size])[size]
    assert head.root_hash == root, "the secondary's tree is another one"
    return head
