# SPDX-License-Identifier: BSD-2-Clause
#
# What a secondary costs whoever submits, and how fast a new one is filled. Primary and secondary are
# on one machine, and share its cores and its device.

import contextlib
import statistics

import harness
from million import LEAVES as MILLION, MillionLeaves
from observe import cpu_seconds, seconds
from secondary import Secondary, set_secondaries
from table import Table

CATCH_UP_ROUNDS_MAX = 3


@contextlib.contextmanager
def pair(primary: harness.Log | None = None):
    """A primary whose leaves count as logged when its secondary has them; both run."""
    with contextlib.ExitStack() as stack:
        log = primary or harness.Log()
        secondary = Secondary(log)
        set_secondaries(log, [secondary])
        stack.enter_context(log)
        stack.enter_context(secondary)
        yield log, secondary


def replicated_add_leaf(table: Table, leaves: list) -> None:
    """One leaf at a time: durable here, durable there, and known to be so here."""
    times = []
    with pair() as (log, _), log.connect() as connection:
        # The first may come before the nodes have found each other.
        log.add_leaf(0)
        for leaf in leaves:
            def send():
                status = connection.request("POST", "/add-leaf", leaf.body).status
                assert status == 200, f"{status} instead of a leaf that both have"
            times.append(1e3 * seconds(send))
    median = statistics.median(times)
    table.row("add-leaf alone, with a secondary, to 200, ms", {"sigsum": [median]}, digits=2)
    table.goal("replicated 200, ms", median, at_most=50)


def catch_up(table: Table, million: MillionLeaves, rounds: int) -> None:
    """Fills a new secondary from the log of a million leaves."""
    rates, costs = [], []
    with million.log() as log:
        million.warm_up()
        for _ in range(min(rounds, CATCH_UP_ROUNDS_MAX)):
            before = cpu_seconds(log.process.pid)
            with Secondary(log) as secondary:
                rates.append(MILLION / seconds(
                    lambda: secondary.wait_for_line(f"caught up with the primary: {MILLION} ")))
                costs.append(1e6 * cpu_seconds(secondary.process.pid) / MILLION)
                primary_cost = 1e6 * (cpu_seconds(log.process.pid) - before) / MILLION
    medians = table.row(f"catching up, {MILLION:,} leaves, leaves/s", {"sigsum": rates})
    table.goal("leaves/s while catching up", medians["sigsum"], at_least=30_000)
    table.row("CPU time per copied leaf, secondary's, µs", {"sigsum": costs}, digits=1)
    table.row("CPU time per copied leaf, primary's, µs", {"sigsum": [primary_cost]}, digits=1)
