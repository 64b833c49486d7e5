# SPDX-License-Identifier: BSD-2-Clause
#
# Runs the integration tests, or those whose names match the patterns given, one line each as they
# end. The last lines name what was skipped and why, then count: `N passed, N failed, N skipped`.
# Exit status 1 when any test failed or none ran.

import argparse
import os
import sys
import time
import unittest

FOLDER = os.path.dirname(os.path.abspath(__file__))


class Result(unittest.TestResult):
    """Counts test methods: one with several failing sub-tests is one failure."""

    def __init__(self):
        super().__init__()
        self.failed: dict[str, list[str]] = {}
        self.reasons: dict[str, str] = {}
        self.passed = 0

    def startTest(self, test):
        super().startTest(test)
        self._began = time.monotonic()

    def stopTest(self, test):
        super().stopTest(test)
        name = test.id()
        if name in self.failed:
            outcome = "FAIL"
        elif name in self.reasons:
            outcome = "skip"
        else:
            outcome = "ok"
            self.passed += 1
        print(f"{outcome:4} {time.monotonic() - self._began:6.2f} s  {name}", flush=True)

    def _fail(self, test, error):
        # A sub-test's failure counts for its method; one outside of a method (setUpClass) for itself.
        name = getattr(test, "test_case", test).id()
        which = f"{test._subDescription()}\n" if hasattr(test, "test_case") else ""
        self.failed.setdefault(name, []).append(which + self._exc_info_to_string(error, test))

    def addError(self, test, error):
        self._fail(test, error)

    def addFailure(self, test, error):
        self._fail(test, error)

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self._fail(subtest, error)

    def addUnexpectedSuccess(self, test):
        self.failed.setdefault(test.id(), []).append("succeeded unexpectedly\n")

    def addSkip(self, test, reason):
        self.reasons[getattr(test, "test_case", test).id()] = reason


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("patterns", nargs="*", help="run the tests whose names contain one of these")
    parser.add_argument("--note", action="append", default=[], help="a line for the end")
    options = parser.parse_args(words)

    sys.path.insert(0, FOLDER)
    loader = unittest.TestLoader()
    loader.testNamePatterns = [f"*{pattern}*" for pattern in options.patterns] or None
    result = Result()
    loader.discover(FOLDER).run(result)

    for name, errors in result.failed.items():
        for error in errors:
            print(f"\n==== {name}\n{error.rstrip()}")
    print()
    for note in options.note:
        print(note)
    skipped = [name for name in result.reasons if name not in result.failed]
    for name in skipped:
        print(f"skipped: {name}: {result.reasons[name]}")
    print(f"{result.passed} passed, {len(result.failed)} failed, {len(skipped)} skipped")
    return 0 if result.passed and not result.failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
