# SPDX-License-Identifier: BSD-2-Clause
#
# What the tests of the documents share: a site of machines, with the log's key and policy where the
# document says that somebody brings them.

import pathlib
import tempfile

import harness
from machines import Machine, Site
from secondary_case import SecondaryCase
from watcher import Policy, Watcher


class DocumentCase(SecondaryCase):
    def make_site(self, name: str, machine_names: str, log_go: str = "") -> Site:
        """Machines by these names; log-go's programs are installed on those of `log_go`."""
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="sigsum-site-")))
        machines = {name: Machine(name, folder, self.key, is_log_go=name in log_go)
                    for name in machine_names}
        for machine in machines.values():
            self.addCleanup(machine.close)
        return Site(name, machines)

    def bring_key(self, machine: Machine) -> None:
        self.key.write_openssh(machine.etc / "key")
        self.bring_policy(machine)

    def bring_policy(self, machine: Machine) -> None:
        """Of three witnesses any two; made when it is first asked for."""
        if not hasattr(self, "witnesses"):
            self.witnesses = [self.witness() for _ in range(3)]
            self.policy = Policy(self.witnesses, 2)
            for witness in self.witnesses:
                # An old primary and the new one ask at a time.
                witness.is_asked_one_at_a_time = False
        (machine.etc / "policy").write_text(
            self.policy.text(f"log {self.key.public_key.hex()} https://log.example.org"))

    def watch_unit(self, unit: harness.Server, policy: Policy | None = None) -> Watcher:
        unit.policy = policy or self.policy
        return self.watch(unit)
