"""What ExifTool reads in image files: an independent reader, from Debian's libimage-exiftool-perl."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

EXIFTOOL = shutil.which("exiftool")
# Where all services must be there, as in continuous integration, a missing one fails.
needs_exiftool = pytest.mark.skipif(
    EXIFTOOL is None and not os.environ.get("REQUIRE_SERVICES"),
    reason="exiftool is missing. On Debian: apt install libimage-exiftool-perl",
)

SOURCE = "XMP-iptcExt:DigitalSourceType"
MODEL = "XMP-iptcExt:AISystemUsed"
TOOL = "XMP-xmp:CreatorTool"
CREDIT = "XMP-photoshop:Credit"
PROMPT = "XMP-iptcExt:AIPromptInformation"
DESCRIPTION = "XMP-dc:Description"


def facts(*files: bytes) -> list[dict[str, Any]]:
    """Return what ExifTool finds in each file, by group and name; nothing of it is there twice."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number:03}" for number in range(len(files))]
        for path, data in zip(paths, files, strict=True):
            path.write_bytes(data)
        command = [EXIFTOOL or "exiftool", "-json", "-G1", "-a", "-validate", "-warning", "-all", *map(str, paths)]
        done = subprocess.run(command, capture_output=True, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout, object_pairs_hook=_once)
    assert [one["SourceFile"] for one in found] == list(map(str, paths))
    return found


def complaints(found: dict[str, Any]) -> str:
    """Return whether the file is as its format wants it, "OK" if so, in ExifTool's words."""
    return f"{found['ExifTool:Validate']} {found.get('ExifTool:Warning', '')} {found.get('ExifTool:Error', '')}".strip()


def marks(found: dict[str, Any]) -> dict[str, Any]:
    """Return what of it is XMP."""
    return {name: value for name, value in found.items() if name.startswith("XMP") and name != "XMP-x:XMPToolkit"}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs if name.startswith("XMP")]
    assert len(set(names)) == len(names), names
    return dict(pairs)
