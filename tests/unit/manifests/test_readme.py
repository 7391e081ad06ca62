"""The table of settings in manifests/README.md equals the operator's settings."""

from __future__ import annotations

import re

from rendered import MANIFESTS

from quantumjob_operator.settings import Settings

REQUIRED = {"worker_image", "orders_url"}


def test_every_setting_is_documented_with_its_default() -> None:
    rows = re.findall(
        r"^\| `QUANTUMJOB_([A-Z_]+)`[ *]* \| `?([^`|]+)`? \|", (MANIFESTS / "README.md").read_text(), re.MULTILINE
    )
    documented = {name.lower(): default.strip() for name, default in rows}
    defaults = {name: field.default for name, field in Settings.model_fields.items() if not name.startswith("test_")}
    assert documented.keys() == defaults.keys()
    assert {name for name, default in documented.items() if default == "required"} == REQUIRED
    for name, default in defaults.items():
        if name not in REQUIRED:
            assert type(default)(documented[name].replace("empty", "")) == default, name
