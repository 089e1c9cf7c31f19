"""What words in a prompt mean to the painter. English, singular; `brief.read` takes care of plurals."""

from __future__ import annotations

SCENES: dict[str, str] = {
    "space": """
        space planet nebula galaxy cosmos cosmic universe astronaut rocket spaceship spacecraft mars
        saturn jupiter asteroid comet orbit star-field alien ufo interstellar constellation
        satellite milkyway
    """,
    "underwater": """
        underwater undersea coral reef jellyfish seabed fish goldfish koi shark turtle octopus
        mermaid diver aquarium seahorse squid kelp abyss
    """,
    "city": """
        city skyline skyscraper street downtown urban metropolis tokyo york london paris town alley
        cyberpunk building rooftop traffic car taxi train subway tram architecture tower hongkong
        shanghai manhattan futuristic robot android motorcycle office
    """,
    "sea": """
        sea ocean beach wave coast shore lighthouse boat ship sail sailboat yacht island harbor
        harbour port whale dolphin bay lake river surf surfer pier seaside seascape lagoon tide
        pirate fisherman seagull sailor bridge water canoe kayak marina cliff pond
    """,
    "desert": """
        desert dune sahara camel sand cactus oasis pyramid egypt savanna savannah canyon mesa
        western cowboy
    """,
    "forest": """
        waterfall forest wood woods woodland jungle rainforest tree pine birch grove fairy elf mushroom
        enchanted bamboo bear squirrel moss fern treehouse camping campfire
    """,
    "meadow": """
        meadow field flower wildflower tulip lavender poppy sunflower garden grass prairie pasture
        countryside farm farmhouse vineyard hill daisy rose bee butterfly picnic blossom village
        windmill sheep cow barn rabbit bunny hedgehog wheat orchard
    """,
    "mountains": """
        mountain peak alps himalaya valley summit ridge hiking hiker climber snowboard ski cabin
        glacier volcano fuji highland landscape fjord avalanche everest eagle dragon castle aurora
        northern yosemite nature wilderness scenery hut balloon
    """,
    "stilllife": """
        still vase bouquet fruit apple orange pear lemon table cup coffee tea mug teapot bottle
        perfume product mockup cosmetic wine glass bread cake dessert food breakfast kitchen candle
        jar book lamp ceramic pottery bowl jewelry watch shoe sneaker packaging plant cactus-pot
        croissant espresso latte cocktail juice honey
    """,
    "portrait": """
        portrait woman man girl boy face person model fashion selfie lady gentleman queen king
        princess prince warrior knight samurai wizard witch actor singer dancer human grandmother
        grandfather mother father child baby hero superhero beauty headshot musician scientist
        doctor teacher chef geisha detective
    """,
    "creature": """
        cat kitten fox wolf deer stag bird owl horse dog puppy raven crow lion tiger elephant
        unicorn animal pet giraffe heron crane swan flamingo couple lover silhouette stork panda
        hare parrot
    """,
    "abstract": """
        abstract gradient pattern texture wallpaper background geometric shape flowing fluid liquid
        marble ink swirl minimal minimalist minimalism bauhaus mandala fractal waveform line art
        data music sound logo icon emotion dream concept poster typography energy motion line-art
        surreal psychedelic kaleidoscope
    """,
    "window": """
        window interior room cozy cosy bedroom livingroom sofa armchair balcony curtain study
        library home studio cafe cafeteria restaurant desk workspace bookshelf fireplace
    """,
}
"""Words that choose the scene."""

PALETTES: dict[str, str] = {
    "sunset": """
        sunset evening sundown warm glow afterglow
    """,
    "dawn": """
        dawn sunrise morning daybreak gentle hope
    """,
    "day": """
        day noon daylight sunny midday bright clear summer
    """,
    "dusk": """
        dusk twilight gloaming nightfall purple-sky mystic mystical magic magical dreamy enchanted
    """,
    "night": """
        night midnight moonlit moonlight moon starry star stars nocturnal dark
    """,
    "autumn": """
        autumn fall october november harvest thanksgiving maple amber pumpkin halloween
    """,
    "winter": """
        winter snow snowy frost ice icy frozen arctic christmas december january cold polar
    """,
    "spring": """
        spring april may blossom bloom fresh cherry sakura easter green-field
    """,
    "neon": """
        neon cyberpunk synthwave vaporwave retrowave futuristic cyber eighties glitch hologram scifi
        sci-fi
    """,
    "pastel": """
        pastel soft cute kawaii candy baby delicate cotton watercolor watercolour airy
    """,
    "noir": """
        noir monochrome black-and-white charcoal film-noir grayscale greyscale detective mono
    """,
    "gold": """
        gold golden luxury brass opulent royal honey yellow egypt
    """,
    "emerald": """
        emerald green jungle forest jade moss lush verdant rainforest
    """,
    "ocean": """
        ocean underwater marine aqua azure blue cobalt undersea turquoise teal cyan
    """,
    "rose": """
        rose pink romantic romance love valentine blush magenta wedding
    """,
    "desert": """
        desert sahara canyon terracotta sandstone arid savanna savannah western sand dune
    """,
    "storm": """
        storm stormy rain rainy thunder lightning gloomy grey gray overcast moody
    """,
    "vintage": """
        vintage retro old antique nostalgic seventies sepia poster classic film analog analogue
    """,
    "tropical": """
        tropical palm beach hawaii caribbean paradise flamingo bali island lagoon
    """,
    "crimson": """
        crimson red blood scarlet lava volcano fire ruby flame dragon mars
    """,
    "aurora": """
        aurora northern borealis
    """,
    "lavender": """
        lavender violet purple lilac wisteria indigo
    """,
}
"""Words that choose the palette."""

COLOURS: dict[str, str] = {
    "red": "#d63a32",
    "scarlet": "#d1281f",
    "crimson": "#b3122f",
    "orange": "#f0812b",
    "amber": "#f5a623",
    "yellow": "#f6c944",
    "gold": "#e3b04b",
    "golden": "#e3b04b",
    "green": "#3f9e5f",
    "emerald": "#1d8a63",
    "teal": "#178f8f",
    "turquoise": "#2bb8b0",
    "cyan": "#2cc5d8",
    "blue": "#2f6fc4",
    "navy": "#1e3264",
    "indigo": "#4b3f9e",
    "purple": "#7c4fb0",
    "violet": "#8a5cc2",
    "lavender": "#a991d6",
    "pink": "#ee86a8",
    "magenta": "#d33a8c",
    "rose": "#dd6f83",
    "brown": "#8a5a3b",
    "white": "#f6f2ea",
    "black": "#17171c",
    "silver": "#b9c0c8",
    "grey": "#878d94",
    "gray": "#878d94",
    "beige": "#d9c6a5",
    "coral": "#ff7f61",
}
"""Colour words; the first one in a prompt becomes the accent."""
