"""Words that name things to draw, and details such as weather. English, singular; see `words`."""

from __future__ import annotations

SUBJECTS: dict[str, str] = {
    "cat": """
        cat kitten kitty
    """,
    "fox": """
        fox vixen
    """,
    "wolf": """
        wolf dog puppy coyote husky hound
    """,
    "deer": """
        deer stag elk reindeer moose antelope gazelle
    """,
    "bird": """
        bird sparrow robin raven crow parrot songbird
    """,
    "owl": """
        owl
    """,
    "flock": """
        seagull gull flock birds swallow geese eagle hawk albatross
    """,
    "whale": """
        whale orca dolphin
    """,
    "fish": """
        fish goldfish koi carp salmon shark
    """,
    "horse": """
        horse unicorn stallion pony mustang
    """,
    "heron": """
        heron crane stork flamingo egret
    """,
    "rabbit": """
        rabbit bunny hare
    """,
    "elephant": """
        elephant mammoth
    """,
    "bear": """
        bear panda grizzly
    """,
    "turtle": """
        turtle tortoise
    """,
    "jellyfish": """
        jellyfish medusa squid
    """,
    "camel": """
        camel
    """,
    "butterfly": """
        butterfly moth
    """,
    "person": """
        person man woman hiker traveler traveller wanderer monk samurai figure walker girl boy child
        astronaut knight wizard explorer surfer warrior pilgrim robot fisherman climber
    """,
    "couple": """
        couple lovers lover romance wedding
    """,
    "tree": """
        tree oak willow
    """,
    "pine": """
        pine fir spruce conifer
    """,
    "palm": """
        palm coconut tropical island
    """,
    "house": """
        house cottage home village farm farmhouse hut barn
    """,
    "cabin": """
        cabin lodge chalet
    """,
    "lighthouse": """
        lighthouse beacon
    """,
    "boat": """
        boat sailboat yacht sail sailing regatta sailor
    """,
    "ship": """
        ship pirate galleon ferry steamer vessel
    """,
    "castle": """
        castle fortress palace kingdom
    """,
    "windmill": """
        windmill mill
    """,
    "balloon": """
        balloon
    """,
    "rocket": """
        rocket spaceship spacecraft shuttle
    """,
    "ufo": """
        ufo saucer alien
    """,
    "bridge": """
        bridge
    """,
    "pyramid": """
        pyramid
    """,
    "cactus": """
        cactus saguaro
    """,
    "volcano": """
        volcano fuji
    """,
    "tent": """
        tent camping campsite campfire
    """,
    "mushroom": """
        mushroom toadstool
    """,
    "sheep": """
        sheep lamb
    """,
    "dragon": """
        dragon wyvern
    """,
    "planet": """
        planet saturn
    """,
    "lantern": """
        lantern
    """,
    "temple": """
        temple pagoda shrine japan japanese kyoto
    """,
}
"""Words that name a thing to draw."""

DETAILS: dict[str, str] = {
    "sun": """
        sun sunset sunrise sunny
    """,
    "moon": """
        moon moonlit moonlight lunar
    """,
    "crescent": """
        crescent
    """,
    "stars": """
        star starry stars constellation milkyway galaxy
    """,
    "clouds": """
        cloud cloudy overcast cumulus
    """,
    "rain": """
        rain rainy raining drizzle downpour monsoon
    """,
    "snow": """
        snow snowy snowing snowfall blizzard snowflake
    """,
    "fog": """
        fog foggy mist misty haze hazy smoke steam
    """,
    "aurora": """
        aurora borealis
    """,
    "lightning": """
        lightning thunder thunderstorm storm
    """,
    "fireflies": """
        firefly fireflies glowing magic magical fairy enchanted spark
    """,
    "reflection": """
        reflection reflecting mirror lake pond river
    """,
    "waterfall": """
        waterfall cascade
    """,
    "blossoms": """
        blossom sakura cherry
    """,
    "leaves": """
        leaf leaves falling
    """,
    "flowers": """
        flower blossom bouquet floral tulip rose poppy peony sakura cherry
    """,
}
"""Weather and other details that several scenes understand."""
