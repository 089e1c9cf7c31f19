"""What a browser says about itself, in words that its owner recognises."""

import re

_BROWSERS = (  # the first that fits: nearly all of them also claim to be the later ones
    (r"\bEdg(?:e|A|iOS)?/", "Edge"),
    (r"\bOPR/|\bOpera\b", "Opera"),
    (r"\bSamsungBrowser/", "Samsung Internet"),
    (r"\bVivaldi/", "Vivaldi"),
    (r"\bFirefox/|\bFxiOS/", "Firefox"),
    (r"\bChromium/|\bChrome/|\bCriOS/|\bHeadlessChrome/", "Chrome"),
    (r"\bVersion/[\d.]+ .*\bSafari/", "Safari"),
)
_SYSTEMS = (
    (r"\biPhone\b", "iPhone"),
    (r"\biPad\b", "iPad"),
    (r"\bAndroid\b", "Android"),
    (r"\bCrOS\b", "ChromeOS"),
    (r"\bWindows\b", "Windows"),
    (r"\bMac OS X\b|\bMacintosh\b", "macOS"),
    (r"\bLinux\b|\bX11\b", "Linux"),
)
_PHONES = ("iPhone", "iPad", "Android")


def describe(user_agent: str) -> str:
    """Return a name such as “Firefox on Windows”, as far as the browser tells."""
    browser, system = _first(_BROWSERS, user_agent), system_of(user_agent)
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or "A browser that does not say what it is"


def system_of(user_agent: str) -> str:
    """Return the device or operating system, or ""."""
    return _first(_SYSTEMS, user_agent)


def is_handheld(user_agent: str) -> bool:
    """Tell whether it is a phone or a tablet."""
    return system_of(user_agent) in _PHONES


def _first(names: tuple[tuple[str, str], ...], user_agent: str) -> str:
    return next((name for pattern, name in names if re.search(pattern, user_agent)), "")
