"""The learner's rules file: checked by promtool, then written anew from the few fields that we
know.

What reaches the server is bounded in size and number; annotations, intervals and limits do not
reach it. A file that is refused is the learner's matter: the reply says why.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 64 << 10
MAX_GROUPS, MAX_RULES, MAX_RESULTS = 8, 40, 200
MAX_EXPR, MAX_TEXT = 2000, 200
MAX_BRACKETS = 1000
"""Nested brackets cost YAML's scanner quadratic time."""
PROMTOOL_S = 10.0
DURATION = re.compile(r"^(0|(\d{1,6}(ms|s|m|h))+)$")
NAME = re.compile(r"^[a-zA-Z_][a-zA-Z0-9_:]{0,99}$")


class RulesRefused(Exception):
    """The file can't be used. The text tells the learner why."""


def read_rules(text: str) -> list[dict[str, Any]]:
    """The groups, with known fields only. Raises RulesRefused."""
    if len(text.encode()) > MAX_BYTES:
        raise RulesRefused(f"the file is larger than {MAX_BYTES} bytes")
    if sum(text.count(bracket) for bracket in "[{") > MAX_BRACKETS:
        raise RulesRefused(f"there are more than {MAX_BRACKETS} opening brackets")
    document = _parsed(text)
    groups = document.get("groups") if isinstance(document, dict) else None
    if not isinstance(groups, list) or len(groups) > MAX_GROUPS:
        raise RulesRefused(
            f"the file must be a mapping with a list 'groups' of at most {MAX_GROUPS}"
        )
    clean = [_group(number, group) for number, group in enumerate(groups)]
    if sum(len(group["rules"]) for group in clean) > MAX_RULES:
        raise RulesRefused(f"there are more than {MAX_RULES} rules")
    return clean


def _parsed(text: str) -> Any:
    try:
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            if isinstance(token, yaml.AnchorToken | yaml.AliasToken):
                raise RulesRefused(
                    "anchors and aliases of YAML are not allowed here"
                )  # they grow without bound
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise RulesRefused(f"not YAML: {str(error)[:300]}") from error


def _group(number: int, group: Any) -> dict[str, Any]:
    rules = group.get("rules") if isinstance(group, dict) else None
    if not isinstance(rules, list) or len(rules) > MAX_RULES:
        raise RulesRefused(f"group {number + 1} must have a list 'rules' of at most {MAX_RULES}")
    # A rule that gives more alerts or series than ``limit`` gives none, and says so: nothing grows
    # without bound.
    return {
        "name": f"group-{number + 1}",
        "limit": MAX_RESULTS,
        "rules": [_rule(rule) for rule in rules],
    }


def _rule(rule: Any) -> dict[str, Any]:
    if not isinstance(rule, dict) or ("alert" in rule) == ("record" in rule):
        raise RulesRefused("every rule is either an 'alert' or a 'record'")
    kind = "alert" if "alert" in rule else "record"
    name, expr = rule[kind], rule.get("expr")
    if isinstance(expr, int | float):
        expr = str(expr)
    if not isinstance(name, str) or not 0 < len(name) <= MAX_TEXT:
        raise RulesRefused(f"the name of a rule is a text of at most {MAX_TEXT} characters")
    if not isinstance(expr, str) or not 0 < len(expr) <= MAX_EXPR:
        raise RulesRefused(f"{name}: 'expr' is a text of at most {MAX_EXPR} characters")
    if kind == "record" and (
        not NAME.match(name) or name.startswith(("ALERTS", "scrape_")) or name == "up"
    ):
        raise RulesRefused(f"{name}: a recording rule needs a metric name of its own")
    clean: dict[str, Any] = {kind: name, "expr": expr, "labels": _labels(name, rule.get("labels"))}
    for field in ("for", "keep_firing_for") if kind == "alert" else ():
        if field in rule:
            if not DURATION.match(str(rule[field])):
                raise RulesRefused(f"{name}: {field!r} is a duration such as 2s")
            clean[field] = str(rule[field])
    return clean


def _labels(name: str, labels: Any) -> dict[str, str]:
    if labels is None:
        return {}
    if not isinstance(labels, dict) or len(labels) > 16:
        raise RulesRefused(f"{name}: 'labels' is a mapping of at most 16")
    for key, value in labels.items():
        if not (
            isinstance(key, str)
            and isinstance(value, str)
            and NAME.match(key)
            and len(value) <= MAX_TEXT
        ):
            raise RulesRefused(f"{name}: labels are texts of at most {MAX_TEXT} characters")
        if "{{" in value:
            raise RulesRefused(f"{name}: templates in labels are not allowed here")
    return {str(key): str(value) for key, value in labels.items()}


def check_with_promtool(groups: list[dict[str, Any]], folder: Path) -> None:
    """Ask promtool about the rules as they will be loaded.

    Raises RulesRefused with what it says.
    """
    path = folder / "candidate.json"
    path.write_text(json.dumps({"groups": groups}), encoding="utf-8")
    try:
        done = subprocess.run(
            ["promtool", "check", "rules", "--lint=none", str(path)],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROMTOOL_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RulesRefused(f"promtool did not finish within {PROMTOOL_S:g} s") from error
    if done.returncode != 0:
        said = (
            (done.stderr or done.stdout)
            .replace(str(path), "rules.yml")
            .replace("FAILED:", "")
            .strip()
        )
        raise RulesRefused(" ".join(said.split())[-500:])
