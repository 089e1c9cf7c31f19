"""C2PA credentials: who signed an image's file, and whether it is as it was signed. The only importer of `c2pa`.

Nothing here is asked for without a certificate (`C2PA_CERTIFICATE`). No call leaves the machine: manifests that lie
elsewhere are not fetched, and no time stamp is. Each call takes milliseconds of a processor (`Pool.PROCESSOR`).
"""

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.dateparse import parse_datetime

log = logging.getLogger(__name__)

GENERATOR = "reveweb"  # the claim's, as C2PA calls the software that signs
WORDS = 200  # characters of a manifest's own words that are shown
_SETTINGS = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "builder": {"thumbnail": {"enabled": False}},  # it would decode the image, and the picture is in the file anyway
}
_ORIGINAL = "original"
# By the size of the key, in bits (C2PA 2.2, 13.2.1).
_CURVES = {256: "es256", 384: "es384", 521: "es512"}


@dataclass(frozen=True)
class Step:
    """One thing that was done, in C2PA's word for it (`created`, `converted`), with which software, and when."""

    action: str
    agent: str
    when: datetime | None


@dataclass(frozen=True)
class Credentials:
    """What a file's manifest says. `is_valid`: signed with that name's certificate, and unchanged since.

    `is_known` is whether that certificate is of an issuer that this machine was told to trust. `before` are those who
    signed what it was made of.
    """

    signer: str
    issuer: str
    when: datetime | None
    is_valid: bool
    is_known: bool
    steps: list[Step]
    before: list[str]


def is_configured() -> bool:
    """Whether there is a certificate to sign with."""
    return bool(settings.C2PA_CERTIFICATE)


def signed(
    data: bytes, kind: str, *, act: str, source: str, model: str, ingredient: tuple[str, bytes] | None = None
) -> bytes:
    """Return a file of the media type `kind` with credentials in it: `act` was done, with `ingredient` or from nothing.

    `source` is IPTC's term for what came of it. Where it cannot be signed, as with a certificate that has lapsed, it is
    returned as it is, and the log says so: an image is worth more than its credentials.
    """
    import c2pa  # here, for it is large, and needed only with a certificate

    done: dict[str, Any] = {
        "action": f"c2pa.{act}",
        "when": timezone.now().isoformat(timespec="seconds"),
        "digitalSourceType": source,
    }
    if model:
        done["softwareAgent"] = {"name": model}
    opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": [_ORIGINAL]}}
    actions = [opened, done] if ingredient else [done]
    manifest = {
        "claim_generator_info": [{"name": GENERATOR}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
    }
    out = io.BytesIO()
    try:
        with (
            c2pa.Context.from_dict(_SETTINGS) as context,
            c2pa.Builder.from_json(json.dumps(manifest), context=context) as builder,
            c2pa.Signer.from_info(c2pa.C2paSignerInfo(*_identity(settings.C2PA_CERTIFICATE), None)) as signer,
        ):
            if ingredient:
                told = {"title": "The original", "relationship": "parentOf", "label": _ORIGINAL}
                builder.add_ingredient(json.dumps(told), ingredient[0], io.BytesIO(ingredient[1]))
            builder.sign(signer, kind, io.BytesIO(data), out)
    except c2pa.C2paError as error:
        log.error("An image could not be signed, it goes without credentials: %s", error)
        return data
    return out.getvalue()


def read(data: bytes, kind: str) -> Credentials | None:
    """Return the credentials of a file of the media type `kind`, verified; None where it has none that can be read."""
    import c2pa  # here, as above

    try:
        with c2pa.Context.from_dict(_SETTINGS) as context:
            reader = c2pa.Reader.try_create(kind, io.BytesIO(data), context=context)
            if reader is None:
                return None
            with reader:
                state, store = reader.get_validation_state(), json.loads(reader.json())
    except (c2pa.C2paError, ValueError) as error:
        log.info("Credentials could not be read: %s", error)
        return None
    manifests = store.get("manifests", {})
    active = manifests.get(store.get("active_manifest"), {})
    signature = active.get("signature_info", {})
    steps = list(_steps(active))
    return Credentials(
        signer=_shown(signature.get("common_name") or signature.get("issuer")),
        issuer=_shown(signature.get("issuer")),
        when=_moment(signature.get("time")) or next((step.when for step in reversed(steps) if step.when), None),
        is_valid=state in ("Valid", "Trusted"),
        is_known=state == "Trusted",
        steps=steps,
        before=[
            _shown(one.get("signature_info", {}).get("issuer"))
            for label, one in manifests.items()
            if label != store.get("active_manifest")
        ],
    )


@lru_cache(maxsize=4)
def _identity(certificate: str) -> tuple[bytes, bytes, bytes]:
    """Return the algorithm, the certificates and the key that files are signed with; read once."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa  # here, for it takes a while
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    pem = Path(settings.C2PA_PRIVATE_KEY).read_bytes()
    key = load_pem_private_key(pem, None)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        algorithm = _CURVES.get(key.curve.key_size, "es256")
    else:
        algorithm = "ps256" if isinstance(key, rsa.RSAPrivateKey) else "ed25519"
    return algorithm.encode(), Path(certificate).read_bytes(), pem


def _steps(manifest: dict[str, Any]) -> Iterator[Step]:
    for assertion in manifest.get("assertions", []):
        if str(assertion.get("label", "")).startswith("c2pa.actions"):
            for action in assertion.get("data", {}).get("actions", []):
                agent = action.get("softwareAgent", "")
                name = agent.get("name", "") if isinstance(agent, dict) else agent
                word = _shown(action.get("action")).removeprefix("c2pa.")
                yield Step(word, _shown(name), _moment(action.get("when")))


def _moment(text: object) -> datetime | None:
    try:
        found = parse_datetime(str(text))
    except ValueError:
        return None
    return found if found is None or found.tzinfo else timezone.make_aware(found)


def _shown(text: object) -> str:
    """Return words out of a manifest as a page may show them: one line, and not a long one."""
    return "".join(char for char in " ".join(str(text or "").split()) if char.isprintable())[:WORDS]
