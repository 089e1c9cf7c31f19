"""Figures by the subject names of `subjects.SUBJECTS`."""

from __future__ import annotations

from sandbox.painter.figures import animals, buildings, people, sea_life, things, winged
from sandbox.painter.figures.kit import Figure

ANIMALS: dict[str, Figure] = {
    "cat": animals.CAT,
    "fox": animals.FOX,
    "wolf": animals.WOLF,
    "deer": animals.DEER,
    "horse": animals.HORSE,
    "rabbit": animals.RABBIT,
    "bear": animals.BEAR,
    "elephant": animals.ELEPHANT,
    "camel": animals.CAMEL,
    "sheep": animals.SHEEP,
    "heron": winged.HERON,
}
"""Animals that stand on the ground."""

PERCHED: dict[str, Figure] = {"bird": winged.BIRD, "owl": winged.OWL}
PEOPLE: dict[str, Figure] = {"person": people.PERSON, "couple": people.COUPLE}
HOMES: dict[str, Figure] = {
    "house": buildings.HOUSE,
    "cabin": buildings.CABIN,
    "castle": buildings.CASTLE,
    "windmill": buildings.WINDMILL,
    "temple": buildings.TEMPLE,
    "tent": buildings.TENT,
}
FLYING: dict[str, Figure] = {
    "balloon": things.BALLOON,
    "ufo": things.UFO,
    "dragon": winged.DRAGON,
    "rocket": things.ROCKET,
    "lantern": things.LANTERN,
    "butterfly": winged.BUTTERFLY,
}
AFLOAT: dict[str, Figure] = {"boat": sea_life.BOAT, "ship": sea_life.SHIP, "whale": sea_life.TAIL}
SWIMMING: dict[str, Figure] = {"whale": sea_life.WHALE, "fish": sea_life.FISH, "turtle": sea_life.TURTLE}
PLANTS: dict[str, Figure] = {"cactus": things.CACTUS, "mushroom": things.MUSHROOM}
LIGHTHOUSE, ASTRONAUT = buildings.LIGHTHOUSE, people.ASTRONAUT
EVERY: dict[str, Figure] = {
    **ANIMALS,
    **PERCHED,
    **PEOPLE,
    **HOMES,
    **FLYING,
    **AFLOAT,
    **SWIMMING,
    **PLANTS,
    "lighthouse": LIGHTHOUSE,
    "astronaut": ASTRONAUT,
    "tail": sea_life.TAIL,
}

__all__ = [
    "AFLOAT",
    "ANIMALS",
    "ASTRONAUT",
    "EVERY",
    "FLYING",
    "HOMES",
    "LIGHTHOUSE",
    "PEOPLE",
    "PERCHED",
    "PLANTS",
    "SWIMMING",
    "Figure",
]
