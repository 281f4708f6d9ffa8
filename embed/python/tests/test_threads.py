"""Any number of threads may call one object at once."""

from __future__ import annotations

import os
import signal
import threading
import unittest
import warnings
from collections.abc import Callable

from provident_identity import (
    Adapter,
    ComponentError,
    GovernedSubject,
    Identity,
    IdentityError,
    ResourceIdentity,
    SubjectClass,
)
from provident_identity.runner import KEPT_INSTANCES

THREADS = 24
ROUNDS = 40


class Threads(unittest.TestCase):
    def together(self, work: Callable[[int], None]) -> None:
        """Runs the work in all threads at once; whatever one raises fails the test."""
        raised: list[BaseException] = []
        begin = threading.Barrier(THREADS)

        def one(number: int) -> None:
            begin.wait()
            try:
                work(number)
            except BaseException as error:
                raised.append(error)

        threads = [threading.Thread(target=one, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(raised, [])

    def test_every_thread_gets_its_own_answers(self) -> None:
        with Identity.embedded() as identity, Adapter.embedded("fake") as adapter:

            def work(number: int) -> None:
                for turn in range(ROUNDS):
                    name = f"{number}-{turn}"
                    subject = GovernedSubject(ResourceIdentity("fake", "widget", name), SubjectClass.POLICY, "w")
                    bad = GovernedSubject(ResourceIdentity("fake", "", name), SubjectClass.POLICY, "w")
                    key = f"provider:fake:policy:w:widget:id:{name}"
                    assert identity.derive(subject).key == key
                    first, second, *_ = identity.derive_many([subject, bad] * 50)
                    assert first == key and isinstance(second, IdentityError)
                    assert identity.parse(key).value == name
                    assert adapter.describe("{}")[0].position == 0

            self.together(work)
            for runner in (identity._runner, adapter._runner):
                self.assertTrue(1 <= len(runner.idle) <= KEPT_INSTANCES)

    def test_closing_while_others_call_ends_them_in_order(self) -> None:
        identity = Identity.embedded()
        subject = GovernedSubject(ResourceIdentity("fake", "widget", "x"), SubjectClass.POLICY, "w")

        def work(number: int) -> None:
            if number == 0:
                identity.close()
                return
            for _ in range(ROUNDS):
                try:
                    assert identity.derive(subject).key.endswith(":x")
                except ComponentError as error:
                    assert error.code == "handle-closed"

        self.together(work)
        self.assertEqual(identity._runner.idle, [])

    @unittest.skipUnless(hasattr(os, "fork"), "there is no fork here")
    def test_a_forked_process_may_call_and_open(self) -> None:
        subject = GovernedSubject(ResourceIdentity("fake", "widget", "x"), SubjectClass.POLICY, "w")
        with Identity.embedded() as identity:
            key = identity.derive(subject).key
            with warnings.catch_warnings():
                # Newer versions of Python warn of threads; those of the other tests have ended.
                warnings.simplefilter("ignore", DeprecationWarning)
                child = os.fork()
            if child == 0:
                same = False
                try:
                    signal.alarm(60)
                    same = identity.derive(subject).key == key and Identity.embedded().derive(subject).key == key
                finally:
                    os._exit(0 if same else 1)
            _, status = os.waitpid(child, 0)
        self.assertEqual(status, 0)

    def test_an_instance_that_comes_back_after_closing_is_let_go(self) -> None:
        runner = Identity.embedded()._runner
        instance = runner.instance()
        runner.close()
        runner.keep(instance)
        self.assertEqual(runner.idle, [])


if __name__ == "__main__":
    unittest.main()
