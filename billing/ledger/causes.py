"""What the apps above billing call the causes of credit entries, and which of them have no page any more."""

from collections.abc import Callable, Collection

# From ids to what to call each one; None for one that has no page any more. Unknown ids may be left out.
Names = Callable[[Collection[str]], dict[str, str | None]]

_names: dict[str, Names] = {}


def register(kind: str, *, names: Names) -> None:
    """Let `names` name the ids in references that begin with `kind:<id>`."""
    _names[kind] = names


def names_of(references: Collection[str]) -> dict[str, str | None]:
    """Return what to call the causes of these references, None for what is gone; one query for each kind."""
    found: dict[str, str | None] = {}
    for kind, names in _names.items():
        ids = {reference: id_of(reference) for reference in references if reference.startswith(f"{kind}:")}
        named = names(set(ids.values())) if ids else {}
        found.update({reference: named[id] for reference, id in ids.items() if id in named})
    return found


def id_of(reference: str) -> str:
    """Return the id in `kind:<id>` or `kind:<id>:more`."""
    return reference.partition(":")[2].partition(":")[0]
