"""Asks PyPI for known vulnerabilities of every package in constraints.txt; fails on those that audit.md does not accept.

Nothing fails where PyPI cannot be asked, or does not answer for a package; that is told, for it is no clean bill.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ACCEPTED = re.compile(r"^- `(?P<id>[A-Z]+-[\w-]+)`: \S", re.MULTILINE)


def main() -> int:
    pinned = ["--requirement", str(HERE.parent / "constraints.txt"), "--no-deps", "--disable-pip"]
    form = ["--format", "json", "--progress-spinner", "off"]
    command = [sys.executable, "-m", "pip_audit", *pinned, *form]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    if not asked.stdout.startswith("{"):
        print(f"Known vulnerabilities: PyPI could not be asked.\n{asked.stderr.strip()[-500:]}")
        return 0
    return told(json.loads(asked.stdout)["dependencies"], set(ACCEPTED.findall((HERE / "audit.md").read_text("utf-8"))))


def told(packages: list[dict], accepted: set[str]) -> int:
    """Prints what was found; 1 when a vulnerability is not accepted."""
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    found = [
        f"{package['name']} {package['version']}: {vulnerability['id']}, mended in {vulnerability['fix_versions']}"
        for package in packages
        for vulnerability in package.get("vulns", [])
        if accepted.isdisjoint({vulnerability["id"], *vulnerability["aliases"]})
    ]
    print(
        f"Known vulnerabilities: {len(packages)} packages asked, {len(unknown)} not answered for, {len(found)} vulnerable."
    )
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
