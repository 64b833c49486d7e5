# SPDX-License-Identifier: BSD-2-Clause
#
# The printed table: a line for each figure with the peers' beside ours, and below it the goals that it
# is held to.

import statistics


class Table:
    """Prints each line as soon as it is known."""

    COLUMNS = ("sigsum", "log-go", "nginx")

    def __init__(self):
        self.unmet: list[str] = []
        columns = "".join(f"{name:>11}" for name in self.COLUMNS)
        print(f"\n{'medians':52}{columns}  spread", flush=True)

    def row(self, what: str, samples: dict[str, list[float]], digits: int = 0) -> dict[str, float]:
        """
        Shows the median of each server's samples, and how far ours lie apart in parts of their median.
        Returns the medians.
        """
        medians = {name: statistics.median(values) for name, values in samples.items()}
        cells = [
            f"{medians[name]:11,.{digits}f}" if name in medians else " " * 11
            for name in self.COLUMNS
        ]
        ours = samples["sigsum"]
        spread = f"{(max(ours) - min(ours)) / medians['sigsum']:8.0%}" if len(ours) > 1 else ""
        print(f"{what:52}{''.join(cells)}{spread}".rstrip(), flush=True)
        return medians

    def goal(self, what: str, value: float, *, at_least: float | None = None,
             at_most: float | None = None) -> None:
        """A figure and the bound that the project sets for it."""
        if at_most is None:
            sign, bound, is_met = "at least", at_least, value >= at_least
        else:
            sign, bound, is_met = "at most", at_most, value <= at_most
        if not is_met:
            self.unmet.append(what)
        verdict = "met" if is_met else "NOT MET"
        print(f"    {what + ':':48}{value:11.2f}  goal {sign} {bound:g}: {verdict}", flush=True)
