"""`python -m sandbox.landing`: an operator's own pictures lie below VAR_DIR; the project's stay as they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from sandbox import landing


def test_it_writes_below_var_dir_and_leaves_the_project_s_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, own = tmp_path / "static", tmp_path / "var" / landing.OWN
    project.mkdir()
    own.mkdir(parents=True)
    pictures = [
        {"name": name, "prompt": f"The project's {name}", "aspect_ratio": "1:1", "width": 24}
        for name in ("owl", "fox", "elk")
    ]
    (project / landing.LIST).write_text(json.dumps(pictures), "utf-8")
    (own / landing.LIST).write_text(
        '[{"name": "owl", "prompt": "My own owl"}, {"name": "gone", "prompt": "?"}]', "utf-8"
    )
    asked: list[str] = []

    def draw(prompt: str, aspect_ratio: str) -> Image.Image:
        asked.append(prompt)
        return Image.new("RGB", (64, 64), "#a17070")

    monkeypatch.setenv("VAR_DIR", str(tmp_path / "var"))
    monkeypatch.setattr(landing, "FOLDER", project)
    monkeypatch.setattr(landing, "_painter", lambda: draw)
    monkeypatch.setattr("sys.argv", ["landing"])
    assert landing.main() == 0
    assert asked == ["My own owl", "The project's fox", "The project's elk"]
    assert [path.name for path in project.iterdir()] == [landing.LIST]
    assert json.loads((project / landing.LIST).read_text("utf-8")) == pictures
    listed = {entry["name"]: entry for entry in json.loads((own / landing.LIST).read_text("utf-8"))}
    assert set(listed) == {"owl", "fox", "elk"}
    assert (listed["owl"]["prompt"], listed["owl"]["wide"], listed["owl"]["colour"]) == ("My own owl", 48, "#a17070")
    assert {"owl.avif", "owl-2x.avif", "owl.webp", landing.CARD} <= {path.name for path in own.iterdir()}
