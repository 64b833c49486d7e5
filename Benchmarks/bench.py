# SPDX-License-Identifier: BSD-2-Clause
#
# Measures our primary beside log-go's (its tree in memory) and nginx (get-tree-head's bytes from a
# file), all of one run and one machine, since only the ratios carry from one machine to another. What
# is compared is asked in rounds, every server in turn, and medians count. wrk asks, on the same cores
# as the servers. A peer that is not there has an empty column. docs/benchmarks.md explains each line.

import argparse
import contextlib
import os
import pathlib
import random
import statistics
import sys
import tempfile
import threading
import unittest
from concurrent.futures import ProcessPoolExecutor
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Tests/Integration"))

import ed25519
import harness
import wire
from million import LEAVES as MILLION, MillionLeaves
from observe import (
    AllocationCounter, SystemCalls, cpu_seconds, resident_mebibytes, seconds, verification_seconds,
)
from replication import catch_up, replicated_add_leaf
from table import Table
from wrk import Wrk, nginx

CONNECTIONS, ADD_LEAF_CONNECTIONS, RANGE = 32, 64, 512
# More than any server here takes, so that no leaf is sent twice.
FRESH_LEAVES_PER_SECOND = 25_000
SIGNER = ed25519.Signer()


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measures the release.")
    parser.add_argument("--quick", action="store_true", help="one short round of each")
    parser.add_argument("--leaves", type=int, default=5000, help="in the small tree (5000)")
    parser.add_argument("--seconds", type=int, default=3, help="per measurement (3)")
    parser.add_argument("--rounds", type=int, default=5, help="the median of so many (5)")
    parser.add_argument("--without-million", action="store_true",
                        help="leave out what needs the store of a million leaves")
    options = parser.parse_args(words)
    if options.quick:
        options.leaves, options.seconds, options.rounds = 2000, 1, 1

    with contextlib.ExitStack() as stack:
        bench = Bench(options, stack)
        million = None
        if not options.without_million:
            million = MillionLeaves(harness.ROOT / "bench-data/million")
            million.build()
        servers = bench.start_servers()
        table = bench.table = Table()
        bench.tree_head(servers)
        bench.small_tree(servers)
        if million:
            bench.million_leaves(million)
        bench.add_leaf(servers)
        replicated_add_leaf(table, bench.fresh_leaves(100 * bench.seconds))
        if million:
            catch_up(table, million, bench.rounds)
        bench.costs_of_a_request(million)
        bench.idle(million)
    print(f"\nload average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores at the end")
    print("goals not met: " + (", ".join(table.unmet) or "none"))
    return 0


class Bench:
    """One run: its options, its folder, the processes that it started."""

    def __init__(self, options, stack: contextlib.ExitStack):
        self.seconds, self.rounds, self.leaf_count = (
            options.seconds, options.rounds, options.leaves
        )
        self._stack = stack
        self.wrk = Wrk(self.make_folder())
        self._fresh = 0

    def make_folder(self) -> pathlib.Path:
        return pathlib.Path(
            self._stack.enter_context(tempfile.TemporaryDirectory(prefix="sigsum-bench-"))
        )

    def fresh_leaves(self, count: int) -> list[wire.Leaf]:
        """Leaves that no server has seen, signed by as many processes as there are cores."""
        numbers = range(self._fresh, self._fresh + count)
        self._fresh += count
        with ProcessPoolExecutor() as pool:
            return list(pool.map(sign_leaf, numbers, chunksize=1000))

    def start_servers(self) -> dict[str, harness.Server]:
        """Ours and log-go's, with the same leaves in them."""
        self.leaves = self.fresh_leaves(self.leaf_count)
        servers = {"sigsum": self._stack.enter_context(harness.Log())}
        try:
            servers["log-go"] = self._stack.enter_context(harness.LogGo())
        except unittest.SkipTest as reason:
            print(f"log-go: {reason}")
        for name, server in servers.items():
            print(f"filling {name} with {self.leaf_count:,} leaves", flush=True)
            fill(server, self.leaves)
        return servers

    def rates(self, addresses: dict, targets: list[str]) -> dict[str, list[float]]:
        """Requests per second of each server in each round."""
        rates = {name: [] for name in addresses}
        for _ in range(self.rounds):
            for name, address in addresses.items():
                load = self.wrk.get(address, targets, self.seconds, CONNECTIONS)
                rates[name].append(load.rate)
        return rates

    # What is asked

    def tree_head(self, servers: dict[str, harness.Server]) -> None:
        addresses = {name: server.external for name, server in servers.items()}
        with contextlib.ExitStack() as stack:
            body = servers["sigsum"].get("/get-tree-head").body
            with contextlib.suppress(unittest.SkipTest):
                addresses["nginx"] = stack.enter_context(nginx(self.make_folder(), body))
            medians = self.table.row(
                "get-tree-head, /s", self.rates(addresses, ["/get-tree-head"]))
        self.ratio(medians, "log-go", at_least=1)
        # "Near": a tenth less at most.
        self.ratio(medians, "nginx", at_least=0.9)

    def small_tree(self, servers: dict[str, harness.Server]) -> None:
        addresses = {name: server.external for name, server in servers.items()}
        size = servers["sigsum"].tree_head().size
        self.table.row(
            f"inclusion proofs, {size:,} leaves, /s",
            self.rates(addresses, [
                f"/get-inclusion-proof/{size}/{leaf.hash.hex()}" for leaf in self.leaves
            ]))
        self.table.row(
            f"consistency proofs, {size:,} leaves, /s",
            self.rates(addresses, [
                f"/get-consistency-proof/{old}/{size}" for old in range(1, size, 7)
            ]))
        targets = [
            f"/get-leaves/{start}/{start + RANGE}" for start in range(0, size - RANGE, RANGE)
        ]
        megabytes = len(servers["sigsum"].get(targets[0]).body) / 1e6
        medians = self.table.row(
            f"get-leaves of {RANGE}, MB/s",
            {
                name: [rate * megabytes for rate in rates]
                for name, rates in self.rates(addresses, targets).items()
            })
        self.ratio(medians, "log-go", at_least=2)

    def million_leaves(self, million: MillionLeaves) -> None:
        self.table.row("bytes on disk per leaf, 1,000,000 leaves", {
            "sigsum": [million.bytes_per_leaf]})
        self.table.goal("bytes per leaf", million.bytes_per_leaf, at_most=240)
        count = 60_000 * self.seconds
        chance = random.Random(1)
        questions = {
            # Twice, so that wrk asks as slowly as for the others.
            "get-tree-head, asked like proofs": ["/get-tree-head"] * 2,
            "inclusion proofs": [
                f"/get-inclusion-proof/{MILLION}/{leaf_hash}"
                for leaf_hash in million.leaf_hashes(count)
            ],
            "consistency proofs": [
                f"/get-consistency-proof/{chance.randrange(1, MILLION)}/{MILLION}"
                for _ in range(count)
            ],
        }
        rates = {what: [] for what in questions}
        with million.log() as log:
            assert log.tree_head().size == MILLION
            million.warm_up()
            # The first round only brings the pages into the process.
            for number in range(1 + self.rounds):
                for what, targets in questions.items():
                    load = self.wrk.get(log.external, targets, self.seconds, CONNECTIONS)
                    if number > 0:
                        rates[what].append(load.rate)
        baseline, *proofs = [
            (what, self.table.row(f"{what}, 1,000,000 leaves, /s", {"sigsum": rates[what]}))
            for what in questions
        ]
        for what, medians in proofs:
            self.table.goal(f"{what} / get-tree-head", medians["sigsum"] / baseline[1]["sigsum"],
                            at_least=0.5)

    def add_leaf(self, servers: dict[str, harness.Server]) -> None:
        rates = {name: [] for name in servers}
        costs = {name: [] for name in servers}
        yardsticks = []
        for _ in range(self.rounds):
            leaves = self.fresh_leaves(FRESH_LEAVES_PER_SECOND * self.seconds)
            bodies = [leaf.body for leaf in leaves]
            yardsticks.append(verification_seconds())
            for name, server in servers.items():
                rate, cpu_per_leaf = self.add(server, bodies)
                rates[name].append(rate)
                costs[name].append(cpu_per_leaf)
        medians = self.table.row("new leaves at 64 connections, /s", rates)
        self.ratio(medians, "log-go", at_least=0.7)
        medians = self.table.row(
            "server's CPU time per new leaf, µs",
            {name: [1e6 * cost for cost in values] for name, values in costs.items()})
        verification = self.table.row(
            "one Ed25519 verification by libcrypto, µs",
            {"sigsum": [1e6 * value for value in yardsticks]})
        self.table.goal(
            "CPU per new leaf / verification", medians["sigsum"] / verification["sigsum"],
            at_most=1.25)
        latencies = {
            name: [1e3 * statistics.median(self.latencies(server))]
            for name, server in servers.items()
        }
        self.table.row("add-leaf alone, from request to 200, ms", latencies, digits=2)

    def add(self, server: harness.Server, bodies: list[bytes]) -> tuple[float, float]:
        """New leaves per second, counted in the tree, and the server's CPU seconds for each."""
        pid = server.process.pid
        size, cpu = committed_size(server), cpu_seconds(pid)
        load = self.wrk.post_leaves(
            server.external, bodies, self.seconds, ADD_LEAF_CONNECTIONS)
        cpu = cpu_seconds(pid) - cpu
        added = committed_size(server) - size
        assert added < len(bodies), "too few fresh leaves"
        return added / load.seconds, cpu / added

    def latencies(self, server: harness.Server) -> list[float]:
        times = []
        with server.connect() as connection:
            for leaf in self.fresh_leaves(100 * self.seconds):
                def send():
                    status = connection.request("POST", "/add-leaf", leaf.body).status
                    assert status in (200, 202), status
                times.append(seconds(send))
        return times

    # What it costs

    def costs_of_a_request(self, million: MillionLeaves | None) -> None:
        """System calls and allocations, each on a server of its own: counting slows it down."""
        counter = AllocationCounter(self.make_folder())
        log = harness.Log() if million is None else million.copy(self.make_folder())
        questions = {"get-tree-head": lambda: self.ask(log, ["/get-tree-head"])}
        if million:
            paths = [f"/get-inclusion-proof/{MILLION}/{h}" for h in million.leaf_hashes(2000)]
            questions["inclusion proof"] = lambda: self.ask(log, paths)
        questions["new leaf"] = lambda: self.add_for_a_second(log)
        with log:
            for what, put in questions.items():
                with SystemCalls(log.process.pid, self.make_folder()) as calls:
                    count = put()
                self.table.row(
                    f"system calls per {what}", {"sigsum": [calls.total / count]}, digits=2)
                print("    " + ", ".join(
                    f"{name} {number / count:.2f}" for name, number in calls.counts.items()
                    if number / count >= 0.01))
            if not counter.is_there:
                return
            log.stop()
            with mock.patch.dict(os.environ, counter.environment):
                log.start()
            for what, put in questions.items():
                put()
                before, count = counter.count, put()
                self.table.row(
                    f"allocations per {what}", {"sigsum": [(counter.count - before) / count]},
                    digits=2)

    def ask(self, log: harness.Log, targets: list[str]) -> int:
        return self.wrk.get(log.external, targets, 1, CONNECTIONS).requests

    def add_for_a_second(self, log: harness.Log) -> int:
        bodies = [leaf.body for leaf in self.fresh_leaves(FRESH_LEAVES_PER_SECOND)]
        return self.wrk.post_leaves(log.external, bodies, 1, ADD_LEAF_CONNECTIONS).requests

    def idle(self, million: MillionLeaves | None) -> None:
        with harness.Log() as log:
            self.show_resident("empty log", log)
        if million is None:
            return
        with million.log() as log:
            self.show_resident(f"{MILLION:,} leaves", log)
            times = []
            for _ in range(5):
                log.stop()
                times.append(1e3 * seconds(log.start))
        medians = self.table.row("start to READY, 1,000,000 leaves, ms", {"sigsum": times})
        self.table.goal("start in ms", medians["sigsum"], at_most=100)

    def show_resident(self, what: str, log: harness.Log) -> None:
        log.tree_head()
        medians = self.table.row(f"resident set at rest, {what}, MiB", {
            "sigsum": [resident_mebibytes(log.process.pid)]}, digits=1)
        self.table.goal(f"MiB at rest, {what}", medians["sigsum"], at_most=20)

    def ratio(self, medians: dict[str, float], peer: str, at_least: float) -> None:
        if peer in medians:
            self.table.goal(f"sigsum / {peer}", medians["sigsum"] / medians[peer],
                            at_least=at_least)


def sign_leaf(number: int) -> wire.Leaf:
    return wire.Leaf.make(SIGNER, number.to_bytes(32, "big"))


def committed_size(server: harness.Server) -> int:
    """The number of leaves in the server's tree, published or not: where internal get-leaves ends."""
    low, high = 0, 1 << 32
    with server.connect(internal=True) as connection:
        while low < high:
            middle = (low + high) // 2
            status = connection.request("GET", f"/get-leaves/{middle}/{middle + 1}").status
            if status == 200:
                low = middle + 1
            else:
                high = middle
    return low


def fill(server: harness.Server, leaves: list[wire.Leaf], connections: int = 16) -> None:
    """Adds the leaves, asking once for each: 200 and 202 both mean that the log has it."""

    def send(share: list[wire.Leaf]) -> None:
        with server.connect() as connection:
            for leaf in share:
                status = connection.request("POST", "/add-leaf", leaf.body).status
                assert status in (200, 202), status

    threads = [
        threading.Thread(target=send, args=(leaves[at::connections],)) for at in range(connections)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    server.tree_head(size_at_least=len(leaves))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
