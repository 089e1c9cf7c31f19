"""What of an object leaves the stand-in, and what differs between two of its states."""

from __future__ import annotations

from typing import Any

from sandbox.stripe.state.store import Obj, Store


def public(store: Store, obj: Obj) -> Obj:
    """Return the object as the API shows it: without private notes, prices embedded as they are now."""
    shown: Obj = _stripped(obj)
    if obj["object"] == "subscription":
        for item in shown["items"]["data"]:
            item["price"] = _price(store, item["price"])
    if obj["object"] == "item":
        shown["price"] = _price(store, shown["price"])
    return shown


def difference(before: Any, after: Any) -> Any:
    """Return the old values of what changed, as `previous_attributes` has them: hashes by key, all else whole."""
    changed: Obj = {}
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        nested = isinstance(old, dict) and isinstance(new, dict)
        changed[key] = difference(old, new) if nested else old
    return dict(sorted(changed.items()))


def _stripped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _stripped(part) for key, part in value.items() if not key.startswith("_")}
    if isinstance(value, list):
        return [_stripped(part) for part in value]
    return value


def _price(store: Store, identity: str) -> Obj:
    price = store.find(identity, "price")
    assert price is not None, f"{identity} is named by an object but not stored"
    return _stripped(price) if price else {}
