"""What an image's file says of itself to machines: that it was generated, by which model, and on whose site.

XMP with the terms of IPTC (Photo Metadata 2025.1), which is what search engines, social networks and the EU's AI Act
(Article 50) look for; with a certificate, C2PA credentials as well (`credentials`). Neither the prompt nor whose it is
stands among it, unless its owner asks for that. Nothing is decoded here, and a file that cannot be read stays as it is.
"""

import re
from dataclasses import dataclass, replace

from django.conf import settings

from generator.files import containers, credentials, plain, xmp
from generator.files.containers import Container
from generator.models import Generation, Input, Operation

_TERMS = "http://cv.iptc.org/newscodes/digitalsourcetype/"
GENERATED = f"{_TERMS}trainedAlgorithmicMedia"
EDITED = f"{_TERMS}compositeWithTrainedAlgorithmicMedia"
DRAWN_BY_RULES = f"{_TERMS}algorithmicMedia"  # a sample: no model, and nothing that one was trained on
IN_SCHEMA = {  # as schema.org calls them, which has terms of its own for IPTC's
    GENERATED: "https://schema.org/TrainedAlgorithmicMediaDigitalSource",
    EDITED: "https://schema.org/CompositeWithTrainedAlgorithmicMediaDigitalSource",
    DRAWN_BY_RULES: "https://schema.org/AlgorithmicMediaDigitalSource",
}
_EDITS_FOLLOWED = 20  # of edits of edits; beyond that somebody brought the first
_SAID = re.compile(b"DigitalSourceType>([^<]*)<")
_SOURCE = "Iptc4xmpExt:DigitalSourceType"


@dataclass(frozen=True)
class Mark:
    """What is said: the kind of `source` (a term of IPTC's), the model, the site that gives it, and maybe `prompt`."""

    source: str
    model: str
    credit: str
    prompt: str = ""

    @property
    def packet(self) -> bytes:
        """It as XMP."""
        return xmp.packet(self.properties)

    @property
    def properties(self) -> dict[str, str]:
        """It by the names that XMP has for it; what is not known is not said."""
        said = {
            _SOURCE: self.source,
            "Iptc4xmpExt:AISystemUsed": self.model,
            "Iptc4xmpExt:AIPromptInformation": self.prompt,
            "xmp:CreatorTool": self.model,
            "photoshop:Credit": self.credit,
            xmp.DESCRIPTION: self.prompt,
        }
        return {name: value for name, value in said.items() if value}


def source_type(generation: Generation) -> str:
    """Return IPTC's term for how an image came to be. Of an edit alone it asks the database.

    An edit of what somebody brought is one, and so is an edit of that; an edit of what was generated is generated.
    """
    if generation.operation != Operation.EDIT:
        return GENERATED
    groups = [generation.group_id] if generation.group_id else []
    for _ in range(_EDITS_FOLLOWED):
        inputs = list(
            Input.objects.filter(group_id__in=groups).values_list(
                "upload_id", "generation__operation", "generation__group_id"
            )
        )
        if not inputs or any(upload is not None for upload, _, _ in inputs):
            return EDITED
        groups = [group for _, operation, group in inputs if operation == Operation.EDIT and group]
        if not groups:
            return GENERATED
    return EDITED


def mark_of(generation: Generation, *, source: str = "", model: str = "", prompt: bool = False) -> Mark:
    """Return what the file of `generation` says; it asks nobody.

    `source` is what `source_type` found. Without it the file that is stored knows better of an edit, and is believed.
    `model` is for one whose row does not name it yet.
    """
    source = source or (EDITED if generation.operation == Operation.EDIT else GENERATED)
    words = _asked_for(generation) if prompt else ""  # not read otherwise: some rows come without it
    return Mark(source, model or generation.model, settings.SITE_NAME, words)


def _asked_for(generation: Generation) -> str:
    if not generation.negative_prompt:
        return generation.prompt
    return f"{generation.prompt}\n\nLeft out: {generation.negative_prompt}"


def stored(data: bytes, mark: Mark, edited: bytes | None = None) -> bytes:
    """Return an image as it is kept: what it says of itself is in it. Marking that again changes nothing.

    `edited` is the file that it is an edit of, for its credentials.
    One that came with a C2PA manifest stays as it is, for that is only true of these very bytes.
    """
    if containers.has_manifest(data):
        return data
    marked = _with_xmp(data, mark)
    return _signed(marked, mark, "edited" if edited else "created", edited)


def carried(data: bytes, mark: Mark) -> bytes:
    """Return a stored image as it leaves: as it is, unless it was stored before images were marked."""
    return data if containers.has_manifest(data) or _is_marked(data) else _with_xmp(data, mark)


def converted(data: bytes, original: bytes, mark: Mark) -> bytes:
    """Return what was made of a stored image with its mark, and the stored one as its ingredient."""
    mark = mark_like(original, mark)
    marked = _with_xmp(data, mark)
    return _signed(marked, mark, "converted", original)


def told(data: bytes, mark: Mark) -> bytes:
    """Return a stored image with more in its mark. Credentials of the stored one would not be true of it."""
    mark = mark_like(data, mark)
    marked = _with_xmp(containers.without_manifest(data), mark)
    return _signed(marked, mark, "edited.metadata", data)


def shared(data: bytes, mark: Mark) -> bytes:
    """Return a stored image for strangers: marked, and without words that its upstream wrote into it."""
    mark = mark_like(data, mark)
    bare = plain.without_words(data, mark.packet)
    if bare is data or not containers.has_manifest(data):
        return bare
    return _signed(bare, mark, "edited.metadata", data)


def mark_like(data: bytes, mark: Mark) -> Mark:
    """Return a mark with the kind of source that the stored image `data` says."""
    said = _SAID.search(_xmp_of(data) or b"")
    source = said[1].decode(errors="replace") if said else ""
    return replace(mark, source=source) if source in IN_SCHEMA else mark


def _signed(data: bytes, mark: Mark, act: str, original: bytes | None = None) -> bytes:
    container = containers.container_of(data)
    if container is None or not credentials.is_configured():
        return data
    was = containers.container_of(original) if original is not None else None
    ingredient = (was.value, original) if was and original is not None else None
    return credentials.signed(
        data, container.value, act=act, source=mark.source, model=mark.model, ingredient=ingredient
    )


def _is_marked(data: bytes) -> bool:
    return _SOURCE.encode() in (_xmp_of(data) or b"")


def _xmp_of(data: bytes) -> bytes | None:
    try:
        return containers.xmp_of(data, containers.parts_of(data))
    except ValueError:
        return None


def _with_xmp(data: bytes, mark: Mark) -> bytes:
    known, packet = _xmp_of(data), mark.packet
    if known is not None and not xmp.is_plain(known):
        packet = _merged(known, mark, containers.container_of(data)) or packet
    if known == packet:
        return data
    try:
        return containers.rewritten(data, lambda part: b"" if containers.is_xmp(data, part) else None, packet)
    except ValueError:
        return data


def _merged(known: bytes, mark: Mark, container: Container | None) -> bytes | None:
    """Return what a packet said and what we say; None where nothing of it can be kept."""
    try:
        packet = xmp.merged(known, mark.properties)
    except ValueError:
        return None
    return None if container is Container.JPEG and len(packet) > containers.XMP_IN_JPEG else packet
