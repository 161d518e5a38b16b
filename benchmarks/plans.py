"""
How much of what is sick in real plans is found, and how often a healthy one is blamed.

    python benchmarks/plans.py [--each] [FOLDER]

The corpus is tests/postgres/plans: real plans of several schemas, each with the code that has to
be said of it, or of a healthy plan none. Recall of a rule is the share of the plans with its
trouble of which it spoke; precision the share of sick ones among all of which it spoke, where a
sick plan counts for any rule (it may have more than one trouble) and a healthy one for none.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

from keiko_perf.diagnosis.plans.plan import read_plan
from keiko_perf.diagnosis.rules.plans import judge_plan

CORPUS = Path(__file__).parents[1] / "tests" / "postgres" / "plans"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=CORPUS)
    parser.add_argument("--each", action="store_true", help="what is said of each plan")
    asked = parser.parse_args()
    planted, found, blamed, said = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    healthy = 0
    for file in sorted(asked.folder.glob("*.json")):
        for case in json.loads(file.read_text(encoding="utf-8")):
            codes = {one.code for one in judge_plan(read_plan(case["explained"]))}
            expected = case["expected"]
            said.update(codes)
            if expected is None:
                healthy += 1
                blamed.update(codes)
            else:
                planted[expected] += 1
                found[expected] += expected in codes
            is_right = expected in codes if expected else not codes
            if asked.each or not is_right:
                mark = " " if is_right else "!"
                print(f"{mark} {file.stem}: {case['name']}: {expected} {sorted(codes)}")
    print(f"{'rule':30} {'planted':>8} {'found':>6} {'recall':>7} {'said':>6} {'precision':>9}")
    for code in sorted({*planted, *said}):
        recall = f"{found[code] / planted[code]:7.2f}" if planted[code] else "      –"
        right = said[code] - blamed[code]
        precision = f"{right / said[code]:9.2f}" if said[code] else "        –"
        print(f"{code:30} {planted[code]:8} {found[code]:6} {recall} {said[code]:6} {precision}")
    sick, right = planted.total(), said.total() - blamed.total()
    print(
        f"{sick} sick and {healthy} healthy plans: recall {found.total() / sick:.3f}, precision"
        f" {right / said.total():.3f}"
    )


if __name__ == "__main__":
    main()
