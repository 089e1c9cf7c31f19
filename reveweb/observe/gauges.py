"""How things are on the whole site at this moment: every series that `metrics` reads for whoever asks."""

from kit.metrics import SERIES, Series
from kit.metrics import declare as gauge


def of(name: str) -> Series:
    """Return what is declared here under a name. Raises KeyError: what is not in the table is not told."""
    return SERIES[name]


gauge("reveweb_credits_sold_today", "Credits sold today (UTC).")
gauge("reveweb_credits_granted_today", "Credits given away today (UTC).")
gauge("reveweb_credits_spent_today", "Credits spent or set aside today (UTC).")
gauge("reveweb_credits_expired_today", "Credits that expired today (UTC).")
gauge("reveweb_alerts_firing", "Troubles that somebody was told of and that are not over.")
gauge("reveweb_images_unstored", "Images that are drawn and that storage does not take.")
gauge("reveweb_images_late_seconds", "For how long the oldest look has been due.")
gauge("reveweb_stripe_events_unhandled", "Events of Stripe's that nobody handled yet.")
gauge("reveweb_stripe_events_oldest_seconds", "The age of the oldest event of Stripe's that nobody handled yet.")
gauge("reveweb_accounts", "Accounts that are open.")
gauge("reveweb_wallets_without_credits", "Accounts that have no credits left.")
gauge("reveweb_signups_today", "People who signed up today (UTC).")
gauge("reveweb_mails_waiting", "Mails on their way.")
gauge("reveweb_mails_failed", "Mails that were given up.")
gauge("reveweb_webhooks_waiting", "Webhook messages on their way.")
gauge("reveweb_disk_free_bytes", "What is free where VAR_DIR is.")
gauge("reveweb_disk_bytes", "How large the disk of VAR_DIR is.")
gauge("reveweb_storage_up", "Whether storage takes images.")
gauge("reveweb_check_up", "Whether a check of /readyz is well.", "check")
gauge("reveweb_heard_seconds", "Since when a kind of process was not heard.", "process")
gauge("reveweb_images_unfinished", "Images on their way, by state.", "state")
gauge("reveweb_images_oldest_seconds", "The age of the oldest image, by state.", "state")
gauge(
    "reveweb_upstream_up",
    "Whether an upstream draws: 0 while it is taken out or refuses this site, and from five failures in a row until it "
    "answers.",
    "upstream",
)
gauge("reveweb_upstream_in_flight", "Jobs that an upstream has.", "upstream")
gauge("reveweb_upstream_success_ratio", "What was drawn of the last hour's attempts.", "upstream")
gauge("reveweb_upstream_balance", "What is left at an upstream, in its own unit.", "upstream")
gauge("reveweb_taken_today_minor_units", "Payments today (UTC), less what was paid back.", "currency")
gauge("reveweb_queue_messages", "Messages at the broker, by queue: hints to look.", "queue")
gauge("reveweb_build_info", "Which version runs.", "version")
gauge("reveweb_scrape_errors", "How many parts could not be read.")
gauge("reveweb_images_queued", "Images that wait to be sent: those that somebody waits for, and the others.", "awaited")
gauge("reveweb_images_queued_oldest_seconds", "For how long the oldest image has waited to be sent.", "awaited")
gauge("reveweb_refunds_waiting", "Refunds of staff's that Stripe was not reached for yet.")
gauge("reveweb_ledger_drifts", "Figures that did not follow from the ledger's entries when it was last compared.")
gauge("reveweb_ledger_compared_age_seconds", "How long ago the whole ledger was last compared.")
gauge("reveweb_disputes_open", "Disputed payments that no bank has decided on.")
gauge("reveweb_welcomes_held_today", "People who got no welcome credits today (UTC), by why.", "reason")
gauge("reveweb_welcome_credits_held_today", "Welcome credits held back today (UTC), by why.", "reason")
gauge(
    "reveweb_backup_age_seconds",
    "The age of the last nightly backup that was made well, or of the first that was due where none was; missing where "
    "none is asked for.",
)
gauge("reveweb_doctor_findings", "What the doctor found when it last looked, by how bad it is.", "level")
gauge("reveweb_doctor_age_seconds", "How long ago the doctor last looked; no scrape has it look.")
