#!/usr/bin/env python3
"""Ask what is known against the packages that are locked: PyPI, then OSV for what PyPI did not tell.

``python requirements/audit.py FILE…`` runs pip-audit, whose exit status is 0 also where its source knew none of the
packages, and 1 also where it answered nothing. Here the exit status tells them apart:

0: each package was looked up, and nothing is known against it.
1: there are known vulnerabilities, whatever else could not be looked up.
2: the files cannot be audited at all.
3: no vulnerability was found, but no source told of each package. That is no proof of anything.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

SOURCES = ("pypi", "osv")
ANSWER_WITHIN_S = 10  # each request
RUN_WITHIN_S = 180
_LINE = 160  # characters: an exception may quote a whole chain of causes
CLEAN, VULNERABLE, UNUSABLE, UNANSWERED = range(4)


@dataclass
class Findings:
    """What the sources have told so far.

    Attributes:
        packages: every package of the files.
        looked_up: those of which a source told.
        known: one line for each vulnerability.
        silent: one line for each source that did not tell of each package.
    """

    packages: set[str] = field(default_factory=set)
    looked_up: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)
    silent: list[str] = field(default_factory=list)

    @property
    def status(self) -> int:
        """The exit status."""
        if self.known:
            return VULNERABLE
        return CLEAN if self.looked_up and self.looked_up == self.packages else UNANSWERED


def main(files: Sequence[str]) -> int:
    """Ask, print what is known, and return the exit status."""
    findings = Findings()
    for source in SOURCES:
        ask(source, files, findings)
        if findings.looked_up == findings.packages != set():
            break
    # A file that cannot be read looks like silence, unless it is read without asking anybody.
    if not findings.packages and (reading := _pip_audit(files, "--dry-run")).returncode:
        print(f"audit: {', '.join(files) or 'no file'}: {_last_line(reading.stderr)}", file=sys.stderr)
        return UNUSABLE
    print("\n".join(summary(findings)), file=sys.stderr if findings.status else sys.stdout)
    return findings.status


def ask(source: str, files: Sequence[str], findings: Findings) -> None:
    """Add to *findings* what one source tells."""
    done = _pip_audit(files, "--vulnerability-service", source, "--format", "json")
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:  # a failure, told on standard error
        findings.silent.append(f"{source}: {_last_line(done.stderr)}")
        return
    told = [package for package in packages if "vulns" in package]
    findings.packages |= {package["name"] for package in packages}
    findings.looked_up |= {package["name"] for package in told}
    if len(told) < len(packages):
        findings.silent.append(f"{source}: knows {len(told)} of {len(packages)} packages")
    for package in told:
        for vulnerability in package["vulns"]:
            fixed = ", ".join(vulnerability["fix_versions"]) or "no version yet"
            findings.known.add(f"{package['name']} {package['version']}: {vulnerability['id']}, fixed in {fixed}")


def summary(findings: Findings) -> list[str]:
    """Return the lines that tell what was found, and what was not looked up."""
    if findings.status == CLEAN:
        return [f"audit: {len(findings.packages)} packages, no known vulnerability"]
    lines = [f"audit: {line}" for line in sorted(findings.known)]
    if findings.looked_up != findings.packages or not findings.packages:
        lines += [f"audit: {line}" for line in findings.silent]
        lines.append(
            f"audit: NOT AUDITED: {len(findings.packages - findings.looked_up)} packages"
            if findings.looked_up
            else "audit: NOT AUDITED: no source of advisories answered"
        )
    return lines


def _pip_audit(files: Sequence[str], *options: str) -> subprocess.CompletedProcess[str]:
    named = [word for file in files for word in ("--requirement", file)]
    common = ("--require-hashes", "--disable-pip", "--progress-spinner", "off", "--timeout", str(ANSWER_WITHIN_S))
    command = [sys.executable, "-m", "pip_audit", *named, *common, *options]
    try:
        return subprocess.run(command, text=True, capture_output=True, check=False, timeout=RUN_WITHIN_S)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"took longer than {RUN_WITHIN_S} s")


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2][:_LINE] or "failed without a word"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
