"""A component that fails is a typed error, its instance is thrown away, and the next call works."""

from __future__ import annotations

import unittest
from typing import Any
from unittest import mock

import wasmtime

from provident_identity import ComponentError, GovernedSubject, Identity, ResourceIdentity, SubjectClass, contract, runner
from provident_identity.file import ComponentFile, embedded
from provident_identity.identity import MEMORY_BYTES
from provident_identity.runner import Runner

ABOUT = '{"op":"about"}\n'


def component(run: str, realloc: str = "i32.const 64", memory: str = "(memory (export \"memory\") 1)") -> ComponentFile:
    """A component whose `batch.run` is this code. At 16 stand the address 32 and the length 4, at 32 the text `done`."""
    name = f"provident:identity/batch@{contract.VERSION}#run"
    text = f"""(component (core module
        {memory}
        (data (i32.const 16) "\\20\\00\\00\\00\\04\\00\\00\\00")
        (data (i32.const 32) "done")
        (data (i32.const 48) "\\ff\\ff\\ff\\ff\\04\\00\\00\\00\\00\\00\\00\\00\\ff\\ff\\ff\\7f")
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) {realloc})
        (func (export "{name}") (param i32 i32) (result i32) {run})
        (func (export "cabi_post_{name}") (param i32))))"""
    return ComponentFile(bytes(wasmtime.wat2wasm(text)), "0" * 64, False)


class Failing(unittest.TestCase):
    def run_it(self, *given: Any, **named: Any) -> Any:
        self.runner = Runner(component(*given, **named), [contract.RUN], 1 << 20, None)
        return self.runner.call(contract.RUN, contract.RUN.lay_out("some text"))

    def failed(self, code: str, *given: Any, **named: Any) -> None:
        with self.assertRaises(ComponentError) as caught:
            self.run_it(*given, **named)
        self.assertEqual(caught.exception.code, code)
        self.assertNotIn("some text", str(caught.exception))
        self.assertEqual(self.runner.idle, [], "the instance is thrown away")

    def test_what_is_right_is_answered_and_the_instance_kept(self) -> None:
        self.assertEqual(self.run_it("i32.const 16"), "done")
        self.assertEqual(len(self.runner.idle), 1)

    def test_a_trap(self) -> None:
        self.failed("component-trapped", "unreachable")
        self.failed("component-trapped", "(i32.div_u (i32.const 1) (i32.const 0))")
        self.failed("component-trapped", "(drop (i32.load (i32.const -1))) i32.const 16")
        self.failed("component-trapped", "i32.const 16", realloc="unreachable")

    def test_endless_recursion_is_a_trap(self) -> None:
        self.failed("component-trapped", "(call 1 (i32.const 0) (i32.const 0))")

    def test_an_endless_loop_burns_its_fuel(self) -> None:
        with mock.patch.object(runner, "FUEL_PER_CALL", 1_000_000):
            self.failed("component-out-of-fuel", "(loop (br 0)) unreachable")

    def test_fuel_is_for_each_call_anew(self) -> None:
        with mock.patch.object(runner, "FUEL_PER_CALL", 10_000):
            burning = "(local $n i32) (loop (br_if 0 (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 900)))) i32.const 16"
            self.assertEqual(self.run_it(burning), "done")
            for _ in range(20):
                self.assertEqual(self.runner.call(contract.RUN, contract.RUN.lay_out("x")), "done")

    def test_memory_has_a_cap(self) -> None:
        grow = "(if (i32.eq (memory.grow (i32.const {})) (i32.const -1)) (then unreachable)) i32.const 16"
        self.assertEqual(self.run_it(grow.format(15)), "done")
        half = "(drop (memory.grow (i32.const 7)))"
        self.failed("component-out-of-memory", half + grow.format(9))
        with self.assertRaises(ComponentError) as caught:
            self.run_it("i32.const 16", memory='(memory (export "memory") 17)')
        self.assertEqual(caught.exception.code, "component-unusable")

    def test_answers_outside_of_the_memory_are_traps(self) -> None:
        for address in ("-1", "-4", "65535", "65529"):
            self.failed("component-trapped", f"i32.const {address}")
        for place in (48, 56):
            self.failed("component-trapped", f"i32.const {place}")
        self.failed("component-trapped", "i32.const 16", realloc="i32.const -8")
        self.failed("component-trapped", "i32.const 16", realloc="i32.const 65532")

    def test_an_answer_that_is_not_utf8_is_a_trap(self) -> None:
        self.failed("component-trapped", '(i32.store8 (i32.const 32) (i32.const 255)) i32.const 16')

    def test_an_instance_that_has_grown_is_not_kept(self) -> None:
        with mock.patch.object(runner, "KEPT_MEMORY_BYTES", 65_536):
            self.assertEqual(self.run_it("i32.const 16"), "done")
            self.assertEqual(len(self.runner.idle), 1)
            self.assertEqual(self.run_it("(drop (memory.grow (i32.const 1))) i32.const 16"), "done")
            self.assertEqual(len(self.runner.idle), 0)

    def test_functions_of_another_type_are_refused(self) -> None:
        for text in (
            '(component (core module (memory (export "memory") 1)))',
            '(component (core module (func (export "memory"))))',
            '(component (core module (memory (export "memory") 1) (func (export "cabi_realloc"))))',
        ):
            with self.assertRaises(ComponentError) as caught:
                Runner(ComponentFile(bytes(wasmtime.wat2wasm(text)), "0" * 64, False), [contract.RUN], 1 << 20, None)
            self.assertEqual(caught.exception.code, "component-unusable")


class Ours(unittest.TestCase):
    def test_a_call_that_needs_more_memory_than_there_is_fails_alone(self) -> None:
        small = Identity(Runner(embedded("identity"), contract.IDENTITY, 2 << 20, None))
        with self.assertRaises(ComponentError) as caught:
            small.batch(ABOUT * 4_096)
        self.assertEqual(caught.exception.code, "component-out-of-memory")
        self.assertEqual(small.about().grammar_version, 1)

    def test_a_call_that_burns_more_fuel_than_there_is_fails_alone(self) -> None:
        with Identity.embedded() as identity:
            with mock.patch.object(runner, "FUEL_PER_CALL", 1_000), self.assertRaises(ComponentError) as caught:
                identity.batch(ABOUT * 100)
            self.assertEqual(caught.exception.code, "component-out-of-fuel")
            self.assertEqual(identity.about().grammar_version, 1)

    def test_answers_of_another_layout_make_it_unusable(self) -> None:
        subject = GovernedSubject(ResourceIdentity("fake", "widget", "x"), SubjectClass.POLICY, "w")
        with Identity.embedded() as identity:
            for wrong in (b"", b"\0\0\xff\x03", b"\0\0\0\0\0", b"\xff\0\0\0"):
                with mock.patch.object(identity, "_call", return_value=wrong):
                    with self.assertRaises(ComponentError) as caught:
                        identity.derive_many([subject])
                self.assertEqual(caught.exception.code, "component-unusable")

    def test_words_for_refusals_that_are_not_those_asked_for_make_it_unusable(self) -> None:
        refused = GovernedSubject(ResourceIdentity("fake", "widget", ""), SubjectClass.POLICY, "w")
        with Identity.embedded() as identity:
            for wrong in ("", "x\n", "{}\n", "[]\n", "{}\n{}\n", '{"error":null}\n'):
                with mock.patch.object(identity, "_run", return_value=wrong):
                    with self.assertRaises(ComponentError) as caught:
                        identity.derive_many([refused])
                self.assertEqual(caught.exception.code, "component-unusable")

    def test_the_largest_inputs_fit_their_limits(self) -> None:
        with Identity.embedded() as identity:
            line = ABOUT
            replies = identity.batch(line * ((1 << 20) // len(line)))
            self.assertEqual(replies.count("\n"), (1 << 20) // len(line))
        self.assertEqual(MEMORY_BYTES, 16 << 20)


if __name__ == "__main__":
    unittest.main()
