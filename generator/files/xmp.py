"""XMP packets (ISO 16684-1): ours, and ours within one that was there before.

A packet from outside is read with care: no document type, no more than some size, and what cannot be read is replaced.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from xml.sax.saxutils import escape

SPACES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "x": "adobe:ns:meta/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "dc": "http://purl.org/dc/elements/1.1/",
}
MOST = 256 * 1024  # bytes of a packet from outside that are read
DESCRIPTION = "dc:description"  # has a language with it, unlike all others of ours

_OURS = ("Iptc4xmpExt", "photoshop", "xmp", "dc")
_BEGIN = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
_END = '\n<?xpacket end="r"?>'
_HEAD = (
    f'{_BEGIN}<x:xmpmeta xmlns:x="{SPACES["x"]}"><rdf:RDF xmlns:rdf="{SPACES["rdf"]}"><rdf:Description rdf:about=""'
    + "".join(f' xmlns:{prefix}="{SPACES[prefix]}"' for prefix in _OURS)
    + ">\n"
)
_TAIL = f"</rdf:Description></rdf:RDF></x:xmpmeta>{_END}"
_SIMPLE = re.compile(r"(?:<((?:Iptc4xmpExt|photoshop|xmp):\w+)>[^<]*</\1>\n)*")
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_RDF, _ABOUT, _ELEMENT = (f"{{{SPACES['rdf']}}}{name}" for name in ("RDF", "about", "Description"))
# It leads to a C2PA manifest elsewhere, which is of the file as it was.
_PROVENANCE = "{http://purl.org/dc/terms/}provenance"

for _prefix, _space in SPACES.items():
    ET.register_namespace(_prefix, _space)


def packet(properties: Mapping[str, str]) -> bytes:
    """Return a packet that says `properties`, by their usual names (`photoshop:Credit`), and nothing else."""
    return f"{_HEAD}{''.join(_element(name, value) for name, value in properties.items())}{_TAIL}".encode()


def merged(known: bytes, properties: Mapping[str, str]) -> bytes:
    """Return a packet that says what `known` said and `properties`, each of which stands there once.

    Raises ValueError where `known` is none that can be read.
    """
    if len(known) > MOST:
        raise ValueError("The packet is too long.")
    text = known.decode().strip("\x00\ufeff \t\r\n")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("A packet has no document type.")
    try:
        root = ET.fromstring(text)  # noqa: S314 (expat bounds what entities make, and there are none)
        rdf = root if root.tag == _RDF else root.find(_RDF)
        if rdf is None:
            raise ValueError("The packet says nothing.")
        _leave_out(rdf, {_full(name) for name in properties} | {_PROVENANCE})
        ours = ET.fromstring(packet(properties)).find(f"{_RDF}/{_ELEMENT}")  # noqa: S314 (our own)
        assert ours is not None
        rdf.append(ours)
        return f"{_BEGIN}{ET.tostring(root, encoding='unicode')}{_END}".encode()
    except (ET.ParseError, RecursionError, UnicodeError) as error:
        raise ValueError("The packet cannot be read.") from error


def is_plain(known: bytes) -> bool:
    """Tell whether a packet is one that `packet` made, without a description."""
    try:
        text = known.decode()
    except UnicodeDecodeError:
        return False
    is_ours = text.startswith(_HEAD) and text.endswith(_TAIL)
    return is_ours and _SIMPLE.fullmatch(text, len(_HEAD), len(text) - len(_TAIL)) is not None


def _leave_out(rdf: ET.Element, names: set[str]) -> None:
    for description in rdf.findall(_ELEMENT):
        for name in names & description.attrib.keys():
            del description.attrib[name]
        for child in list(description):
            if child.tag in names:
                description.remove(child)
        if not len(description) and description.attrib.keys() <= {_ABOUT}:
            rdf.remove(description)


def _full(name: str) -> str:
    prefix, _, local = name.partition(":")
    return f"{{{SPACES[prefix]}}}{local}"


def _element(name: str, value: str) -> str:
    text = escape(_NO_XML.sub("", value))
    if name == DESCRIPTION:
        text = f'<rdf:Alt><rdf:li xml:lang="x-default">{text}</rdf:li></rdf:Alt>'
    return f"<{name}>{text}</{name}>\n"
