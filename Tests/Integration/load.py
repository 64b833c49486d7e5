# SPDX-License-Identifier: BSD-2-Clause
#
# Clients that add leaves all the time, as sigsum-submit does: each sends its leaf again until it is
# answered 200, over restarts, failovers and moves of the log, and remembers what was answered. What
# must be in the tree for ever is what was answered 200, at whichever moment.

import collections
import threading

import ed25519
import harness
import wire


class Load:
    """
    Runs until it is left. `log` may be set to another server at any time. An answer that is none of
    200, 202 and 503 is an error, and an error fails the test.
    """

    def __init__(self, log: harness.Server, connections: int = 4):
        self.log = log
        self.signer = ed25519.Signer()
        self.answered: list[wire.Leaf] = []
        self.statuses: collections.Counter = collections.Counter()
        self.errors: list[str] = []
        self._changed = threading.Condition()
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,), daemon=True)
                         for number in range(connections)]

    def __enter__(self) -> "Load":
        """Starts it, unless it is running: a `with` may end one that was started before."""
        for thread in self._threads:
            if thread.ident is None:
                thread.start()
        return self

    def __exit__(self, kind, *_) -> None:
        self.end()
        if kind is None:
            assert not self.errors, "\n".join(self.errors)

    def end(self) -> None:
        """Sends no more, and waits for the answers that are still to come."""
        self._is_over.set()
        for thread in self._threads:
            thread.join(timeout=wire.DEADLINE_SECONDS)

    def wait_for_answers(self, count: int) -> None:
        """Until that many more leaves are answered 200."""
        with self._changed:
            target = len(self.answered) + count
            self._changed.wait_for(lambda: len(self.answered) >= target or self.errors,
                                   wire.DEADLINE_SECONDS)
            assert not self.errors, "\n".join(self.errors)
            assert len(self.answered) >= target, (
                f"{target - len(self.answered)} of {count} leaves not answered 200 until the "
                f"deadline; all answers: {dict(self.statuses)}\n{self.log.output[-3000:]}")

    def wait_for_any_answers(self, count: int) -> None:
        """Until there are that many more answers, whatever they say."""
        with self._changed:
            target = self.statuses.total() + count
            self._changed.wait_for(lambda: self.statuses.total() >= target or self.errors,
                                   wire.DEADLINE_SECONDS)
            assert self.statuses.total() >= target, f"{dict(self.statuses)}\n{self.errors}"

    def _run(self, client: int) -> None:
        numbers = iter(range(client * 1_000_000, (client + 1) * 1_000_000))
        leaf = wire.Leaf.numbered(self.signer, next(numbers))
        while not self._is_over.is_set():
            try:
                with self.log.connect() as connection:
                    while not self._is_over.is_set():
                        answer = connection.request("POST", "/add-leaf", leaf.body)
                        if self._note(leaf, answer):
                            leaf = wire.Leaf.numbered(self.signer, next(numbers))
                        else:
                            self._is_over.wait(0.01)
            except (OSError, wire.ConnectionClosed):
                # The log is down, or about to end.
                self._is_over.wait(0.01)
            except BaseException as error:
                with self._changed:
                    self.errors.append(repr(error))
                    self._changed.notify_all()
                return

    def _note(self, leaf: wire.Leaf, answer: wire.Response) -> bool:
        assert answer.status in (200, 202, 503), f"{answer.status} {answer.text}"
        with self._changed:
            self.statuses[answer.status] += 1
            if answer.status == 200:
                self.answered.append(leaf)
            self._changed.notify_all()
        return answer.status == 200
