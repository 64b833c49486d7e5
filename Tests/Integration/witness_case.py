# SPDX-License-Identifier: BSD-2-Clause
#
# What the tests of a log with witnesses share: logs made for a policy, witnesses that are closed
# after the log, and looks at metrics and log lines.

import re
import time
import unittest
from collections.abc import Callable

import ed25519
import harness
import wire
from watcher import Policy, Watcher
from witness import ScriptedWitness

# Rounds as quick as the machine makes them, and no end of requests.
QUICK = {
    "min_interval": "10ms", "interval": "100ms", "timeout": "10s", "add_leaf_wait": "0s",
    "witness_requests_per_day": 1_000_000_000,
}

# What a log writes when a witness fails, and when it is well again.
TROUBLE = r"\[(WARN|ERRO|FATA)\]"


class WitnessCase(unittest.TestCase):
    def setUp(self):
        self.key = ed25519.Signer()

    def witness(self, **options) -> ScriptedWitness:
        """A right witness, listening until the test is over."""
        return self.enterContext(ScriptedWitness(self.key.public_key, **options))

    def log(self, witnesses, quorum: int, **options) -> harness.Log:
        """A log under a policy with these witnesses, ready for its first start."""
        log = harness.Log(key=self.key, **QUICK | options)
        self.addCleanup(log.close)
        made = log.mktree()
        self.assertEqual(made.returncode, 0, made.stderr)
        self.set_policy(log, witnesses, quorum)
        return log

    def set_policy(self, log: harness.Log, witnesses, quorum: int) -> Policy:
        log.policy = Policy(witnesses, quorum)
        path = log.folder / "log-policy"
        path.write_text(log.policy.text())
        log.options["policy_file"] = path
        return log.policy

    def watch(self, log: harness.Log, known: wire.TreeHead | None = None) -> Watcher:
        return self.enterContext(Watcher(log, log.policy, known))

    def started(self, witnesses, quorum: int, **options) -> tuple[harness.Log, Watcher]:
        """A log that has published its first head, and its watcher."""
        log = self.log(witnesses, quorum, **options).start()
        watcher = self.watch(log)
        watcher.wait_for_size(0)
        return log, watcher

    def restart(self, log: harness.Log) -> None:
        self.assertEqual(log.stop(), 0, log.output)
        log.start()

    # Looking

    def until(self, condition: Callable[[], object], what: str = "it") -> None:
        """Asks until the condition holds; for what has no event to wait for."""
        deadline = time.monotonic() + wire.DEADLINE_SECONDS
        while not condition():
            self.assertLess(time.monotonic(), deadline, f"waited in vain for {what}")

    def value(self, log: harness.Log, name: str, **labels) -> float:
        """A metric's value, 0 where it has not been set; labels not given are summed over."""
        total = 0.0
        for sample, value in log.metrics().items():
            match = re.fullmatch(r"(\w+)(?:\{(.*)\})?", sample)
            if match[1] != name:
                continue
            found = dict(re.findall(r'(\w+)="([^"]*)"', match[2] or ""))
            if all(found.get(label) == text for label, text in labels.items()):
                total += value
        return total

    def until_value(self, log: harness.Log, least: float, name: str, **labels) -> None:
        self.until(lambda: self.value(log, name, **labels) >= least, f"{name}{labels} {least}")

    def lines(self, log: harness.Log, pattern: str, start: int = 0) -> list[str]:
        return [line for line in log.lines[start:] if re.search(pattern, line)]

    def assert_no_trouble(self, log: harness.Log, start: int = 0) -> None:
        self.assertEqual(self.lines(log, TROUBLE, start), [])
