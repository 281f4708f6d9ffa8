"""The package's enums, shapes and functions are those of the contract in `wit/`."""

from __future__ import annotations

import re
import unittest
from enum import Enum

from vectors import ROOT

from provident_identity import abi, contract, flat, model
from provident_identity.world import kebab

WIT = "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "wit").glob("*.wit")))


def blocks(kind: str) -> dict[str, str]:
    """What stands in each block of a kind, by its name; of several of one name, the last."""
    return dict(re.findall(rf"^ *{kind} ([a-z-]+) \{{\n(.*?)\n *\}}", WIT, re.S | re.M))


def told(body: str) -> list[tuple[str, str]]:
    """The members of a block, each with what its comment says."""
    return re.findall(r"/// (.*)\n\s*%?([a-z0-9-]+)(?:,|:)", body)


def typed(body: str) -> list[tuple[str, str]]:
    return re.findall(r"^\s*%?([a-z0-9-]+): (.*?),$", body, re.M)


def written(kind: abi.Type | None) -> str:
    """A type as the contract writes it."""
    match kind:
        case None:
            return "_"
        case abi.String():
            return "string"
        case abi.Flag():
            return "bool"
        case abi.Integer():
            return "u32"
        case abi.Bytes():
            return "list<u8>"
        case abi.Option():
            return f"option<{written(kind.some)}>"
        case abi.List():
            return f"list<{written(kind.element)}>"
        case abi.Result():
            return f"result<{written(kind.ok)}, {written(kind.error)}>"
        case abi.Case():
            return kebab_of_class(type(kind.members[0]).__name__)
        case abi.Record():
            return RECORDS.get(id(kind)) or kebab_of_class(kind.made.__name__)
    raise AssertionError(kind)


def kebab_of_class(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


RECORDS = {
    id(contract.IDENTITY_ERROR): "identity-error",
    id(contract.ABOUT): "description",
    id(contract.ADAPTER_DESCRIPTION): "description",
}


class Contract(unittest.TestCase):
    def test_every_enum_has_its_values_in_their_order(self) -> None:
        enums = blocks("enum")
        self.assertEqual(len(enums), 8)
        for name, body in enums.items():
            ours: type[Enum] = getattr(model, "".join(part.title() for part in name.split("-")))
            values = [value for _, value in told(body)]
            if ours is not model.ErrorCode:
                values = [value.replace("-", "_") for value in values]
            self.assertEqual([member.value for member in ours], values, name)
            self.assertEqual([member.name.lower() for member in ours], [value.replace("-", "_") for value in values])

    def test_every_record_has_its_members_in_their_order(self) -> None:
        records = blocks("record")
        checked = 0
        for shape in vars(contract).values():
            if isinstance(shape, abi.Record):
                name = written(shape)
                wanted = records[name] if name != "description" else description(shape)
                self.assertEqual([(kebab(member), written(kind)) for member, kind in shape.members.items()], typed(wanted))
                checked += 1
        # Every record of the contract, and the other `description`.
        self.assertEqual(checked, len(records) + 1)

    def test_every_function_has_its_type(self) -> None:
        interfaces = {name: body for name, body in re.findall(r"^interface ([a-z]+) \{\n(.*?)\n\}", WIT, re.S | re.M)}
        called = set()
        for function in (*contract.IDENTITY, *contract.ADAPTER):
            declared = dict(re.findall(r"^    ([a-z-]+): func(.*);$", interfaces[function.interface], re.M))
            parameters = ", ".join(f"{kebab(name)}: {written(kind)}" for name, kind in function.parameters.items())
            self.assertEqual(declared[function.name], f"({parameters}) -> {written(function.result)}")
            called.add((function.interface, function.name))
        declared_all = {
            (interface, name)
            for interface, body in interfaces.items()
            for name in re.findall(r"^    ([a-z-]+): func", body, re.M)
        }
        # The list form of deriving is the one nobody needs here.
        self.assertEqual(declared_all - called, {("keys", "derive-many")})
        self.assertRegex(WIT, rf"package provident:identity@{re.escape(contract.VERSION)};")

    def test_the_fields_of_the_flat_form_are_those_it_says(self) -> None:
        self.assertEqual(len(flat.FIELDS), 12)
        (numbered,) = re.findall(r"where it was broken: 1 to 7 the texts in the order above, (.*?) \|", WIT)
        self.assertEqual(numbered, ", ".join(f"{n} {flat.FIELDS[n]}" for n in range(8, 12)))
        (texts,) = re.findall(r"the texts in UTF-8: (.*?) \|", WIT)
        self.assertEqual(", ".join(flat.FIELDS[1:8]).replace("_", " "), texts)


def description(shape: abi.Record) -> str:
    """The record of this name that has the members."""
    for body in re.findall(r"record description \{\n(.*?)\n *\}", WIT, re.S):
        if [name for name, _ in typed(body)] == [kebab(name) for name in shape.names]:
            return str(body)
    raise AssertionError("no such description")


if __name__ == "__main__":
    unittest.main()
