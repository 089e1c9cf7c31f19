"""The admin's looks."""

from reveweb.settings.pages import ACCENT_HUE
from reveweb.settings.where import SITE_NAME

# There is no export of rows in the admin; one that is added some day runs in no spreadsheet (as `kit.http.csv_export`).
IMPORT_EXPORT_ESCAPE_FORMULAE_ON_EXPORT = True

UNFOLD = {
    "SITE_TITLE": f"{SITE_NAME} admin",
    "SITE_HEADER": SITE_NAME,
    "SITE_SUBHEADER": "Admin",
    "SITE_SYMBOL": "imagesmode",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: f"/icon.svg?hue={ACCENT_HUE}"}],
    "SHOW_HISTORY": False,  # acts are in the audit records
    "SHOW_VIEW_ON_SITE": True,
    "BORDER_RADIUS": "8px",
    "STYLES": ["reveweb.admin.site.stylesheet"],
    "SCRIPTS": ["reveweb.admin.site.script"],
    "DASHBOARD_CALLBACK": "reveweb.admin.cockpit.add_numbers",
    "ENVIRONMENT": "reveweb.admin.site.environment",
    "SIDEBAR": {"show_search": True, "command_search": True, "navigation": "reveweb.admin.site.navigation"},
    "COMMAND": {"search_callback": "reveweb.admin.site.search"},
    "COLORS": {
        "base": {  # the site's warm greys
            "50": "oklch(98.1% .006 84)",
            "100": "oklch(95.3% .009 82)",
            "200": "oklch(89.5% .011 80)",
            "300": "oklch(83% .012 78)",
            "400": "oklch(68% .013 76)",
            "500": "oklch(54% .013 72)",
            "600": "oklch(44% .013 66)",
            "700": "oklch(36% .012 64)",
            "800": "oklch(27.5% .01 66)",
            "900": "oklch(20% .008 68)",
            "950": "oklch(15% .007 68)",
        },
        "primary": {  # the site's accent, by lightness
            "50": f"oklch(97% .012 {ACCENT_HUE})",
            "100": f"oklch(94.5% .024 {ACCENT_HUE})",
            "200": f"oklch(88% .05 {ACCENT_HUE})",
            "300": f"oklch(80% .09 {ACCENT_HUE})",
            "400": f"oklch(72% .13 {ACCENT_HUE})",
            "500": f"oklch(60% .19 {ACCENT_HUE})",
            "600": f"oklch(47% .22 {ACCENT_HUE})",
            "700": f"oklch(40% .2 {ACCENT_HUE})",
            "800": f"oklch(34% .16 {ACCENT_HUE})",
            "900": f"oklch(28% .12 {ACCENT_HUE})",
            "950": f"oklch(22% .08 {ACCENT_HUE})",
        },
    },
}
