"""Measures `derive_many` against the same rules written by hand, and writes one JSON line for each hand.

P5 is against ordinary code (`hand`), "P5 tuned" against the fastest Python we know how to write (`tuned`). Both sides
take the same 1,000 objects and give keys and errors. One process, slices of one pass each, interleaved A B B A, at least
five seconds; CPU time of the process, and the median of the paired ratios. The floor is the hand-written side against
itself, measured the same way. Answers are compared while timing, outside of the clock.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from provident_identity import GovernedSubject, Identity, IdentityError  # noqa: E402

import hand  # noqa: E402
import tuned  # noqa: E402
from records import subjects  # noqa: E402

Answers = list[str | IdentityError]
Side = Callable[[Sequence[GovernedSubject]], Answers]


def outcome(answers: Answers) -> list[str | tuple[str, str]]:
    """Keys, and refusals without their messages, which are each side's own."""
    return [answer if isinstance(answer, str) else (answer.code, answer.field) for answer in answers]


def slice_ns(side: Side, given: Sequence[GovernedSubject], expected: list[str | tuple[str, str]]) -> int:
    start = time.process_time_ns()
    answers = side(given)
    taken = time.process_time_ns() - start
    if outcome(answers) != expected:
        raise SystemExit("the two sides do not agree")
    return taken


def measure(a: Side, b: Side, given: Sequence[GovernedSubject], seconds: float) -> tuple[list[float], list[int], list[int]]:
    """The ratios of A's time to B's, round by round, and the slices of each."""
    expected = outcome(a(given))
    ratios: list[float] = []
    a_ns: list[int] = []
    b_ns: list[int] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        first_a, first_b, second_b, second_a = (slice_ns(side, given, expected) for side in (a, b, b, a))
        ratios.append((first_a + second_a) / (first_b + second_b))
        a_ns += (first_a, second_a)
        b_ns += (first_b, second_b)
    return ratios, a_ns, b_ns


def spread(ratios: list[float]) -> tuple[float, float, float]:
    tenths = statistics.quantiles(ratios, n=10)
    return round(statistics.median(ratios), 3), round(tenths[0], 3), round(tenths[-1], 3)


def figures(figure: str, by_hand: Side, ours: Side, given: Sequence[GovernedSubject], seconds: float) -> dict[str, Any]:
    ratios, hand_ns, ours_ns = measure(by_hand, ours, given, seconds)
    floors, _, _ = measure(by_hand, by_hand, given, seconds)
    ratio, p10, p90 = spread(ratios)
    floor, floor_p10, floor_p90 = spread(floors)
    return {
        "figure": figure,
        "host": "python",
        "ratio": ratio,
        "p10": p10,
        "p90": p90,
        "floor": floor,
        "floor_p10": floor_p10,
        "floor_p90": floor_p90,
        "ours_ns_per_key": round(statistics.median(ours_ns) / len(given)),
        "hand_ns_per_key": round(statistics.median(hand_ns) / len(given)),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=5.0, help="for each of the four measurements")
    seconds = arguments.parse_args().seconds
    given = subjects()
    gc.freeze()
    with Identity.embedded() as identity:
        for figure, by_hand in (("P5", hand.derive_many), ("P5 tuned", tuned.derive_many)):
            print(json.dumps(figures(figure, by_hand, identity.derive_many, given, seconds)), flush=True)


if __name__ == "__main__":
    main()
