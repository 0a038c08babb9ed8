"""Run the import contracts of the current folder; print the broken ones as JSON.

A script for ``test_import_contracts``: the linter finds packages through the import
system, so each altered copy of the tree needs a process of its own. With the argument
``prune``, modules that do not exist are taken out of the contracts first.
"""

import json
import sys
from pathlib import Path

from importlinter.application import use_cases
from importlinter.configuration import configure
from importlinter.domain.contract import registry

__all__ = ["main"]

NAMED_BY = (
    "allowed_importers",
    "forbidden_modules",
    "protected_modules",
    "source_modules",
)


def main() -> None:
    """Print ``{"broken": {id: text}, "kept": [...], "pruned": [...]}``."""
    sys.path.insert(0, str(Path.cwd()))
    configure()
    options = use_cases.read_user_options(config_filename="pyproject.toml")
    pruned: list[str] = []
    if sys.argv[1:] == ["prune"]:
        for contract in options.contracts_options:
            pruned += _prune(contract, options.session_options["root_packages"])
        options.contracts_options = [
            one for one in options.contracts_options if one.get("source_modules") != []
        ]
    for kind in use_cases._get_built_in_contract_types():
        registry.register(*reversed(kind))
    report = use_cases.create_report(options, cache_dir=None)
    ids = {one["name"]: one["id"] for one in options.contracts_options}
    broken = {
        ids[contract.name]: str(check.metadata)
        for contract, check in report.get_contracts_and_checks()
        if not check.kept
    }
    kept = sorted(set(ids.values()) - set(broken))
    json.dump(
        {"broken": broken, "kept": kept, "pruned": sorted(set(pruned))}, sys.stdout
    )


def _prune(contract: dict[str, object], roots: list[str]) -> list[str]:
    missing: list[str] = []
    for key in NAMED_BY:
        names = contract.get(key)
        if isinstance(names, list):
            gone = [name for name in names if not _exists(name, roots)]
            contract[key] = [name for name in names if name not in gone]
            missing += gone
    layers = contract.get("layers")
    if isinstance(layers, list):
        here, kept = contract["containers"][0], []
        for layer in layers:
            names = layer.replace("|", ":").split(":")
            present = [
                n.strip() for n in names if _exists(f"{here}.{n.strip()}", roots)
            ]
            missing += [
                f"{here}.{n.strip()}" for n in names if n.strip() not in present
            ]
            kept += (
                [(" | " if "|" in layer else " : ").join(present)] if present else []
            )
        contract["layers"] = kept
    return missing


def _exists(name: str, roots: list[str]) -> bool:
    if name.partition(".")[0] not in roots or "*" in name:
        return True
    path = Path(name.replace(".", "/"))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


if __name__ == "__main__":
    main()
