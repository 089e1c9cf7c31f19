"""Read the relations out of the strings that spelled them:

    <hold>:outcome                           how a hold ended
    <hold>:returned                          what was spent and given back
    <claw-back>:restored                     what came back to its owner
    refund:<charge>:<refunded>:<n>[:late:…]  what a refund took, at once or as it came back
    refunded:<charge>:late:…                 what came back after all was refunded
    dispute:<dispute>[:late:…]               what a dispute keeps

In steps, each of which commits, so that nobody waits who writes meanwhile; it can be run again.
"""

from django.db import connection, migrations
from django.db.models import F, Max, Q, Sum
from django.utils import timezone

STEP = 5000  # rows of a step
ENDS = """
UPDATE billing_creditentry SET of_id = ended.id FROM billing_creditentry ended
WHERE billing_creditentry.id > %s AND billing_creditentry.id <= %s AND billing_creditentry.of_id IS NULL
    AND billing_creditentry.kind IN ({kinds}) AND billing_creditentry.reference LIKE '%%:{suffix}'
    AND ended.kind = '{ended}'
    AND ended.reference = substr(billing_creditentry.reference, 1, length(billing_creditentry.reference) - {length})
"""


def fill(apps, schema_editor):
    models = {name: apps.get_model("billing", name) for name in ("CreditEntry", "CreditGrant", "Dispute", "Refund")}
    last = models["CreditEntry"].objects.aggregate(last=Max("id"))["last"] or 0
    _by_steps(last, _ends("'settle', 'release'", "outcome", "hold"))
    _by_steps(last, _ends("'restore'", "restored", "claw_back"))
    _returns(models["CreditEntry"])
    _refunds(models)
    _claw_backs(models)
    _claims(models)
    _frozen(models)


def _by_steps(last, statement):
    for start in range(0, last, STEP):
        with connection.cursor() as cursor:
            cursor.execute(statement, [start, start + STEP])


def _ends(kinds, suffix, ended):
    return ENDS.format(kinds=kinds, suffix=suffix, ended=ended, length=len(suffix) + 1)


def _returns(entries):
    for returned in entries.objects.filter(reference__endswith=":returned", kind="release", of=None).iterator(STEP):
        outcome = returned.reference.removesuffix(":returned") + ":outcome"
        spent = entries.objects.filter(reference=outcome, kind="settle").first()
        if spent is not None:
            entries.objects.filter(pk=returned.pk).update(of=spent)


def _refunds(models):
    """What each refund that stands knows of itself, from its reference and its payment."""
    for refund in models["Refund"].objects.filter(charge="").select_related("grant__payment").iterator(STEP):
        payment = getattr(refund.grant, "payment", None)
        refund.charge = refund.reference.split(":")[1]
        refund.paid = max(payment.amount if payment else 0, refund.refunded, 1)
        refund.save(update_fields=["charge", "paid"])


def _claw_backs(models):
    taken = models["CreditEntry"].objects.filter(kind="claw_back", refund=None, dispute=None).prefetch_related("lines")
    for entry in taken.order_by("id").iterator(STEP):
        of, _, stripe_id = entry.reference.partition(":late:")[0].partition(":")
        found = models["CreditEntry"].objects.filter(pk=entry.pk)
        if of == "dispute":
            found.update(dispute=models["Dispute"].objects.filter(stripe_id=stripe_id).first())
        elif of == "refund":
            found.update(refund=_refund(models, entry, *stripe_id.split(":")[:2]))
        elif of == "refunded":  # all of it: whatever came back went to the last one that stood then
            own = models["Refund"].objects.filter(grant__lines__entry=entry, charge=stripe_id).order_by("-refunded")
            stood = own.filter(Q(failed_at=None) | Q(failed_at__gte=entry.created_at), created_at__lte=entry.created_at)
            found.update(refund=stood.order_by("-refunded", "-created_at").first() or own.first())


def _refund(models, entry, charge, refunded):
    """Return the refund that took `entry`; one that failed was deleted, and is written down again as such."""
    back = models["CreditEntry"].objects.filter(reference=f"{entry.reference}:restored").first()
    standing = models["Refund"].objects.filter(charge=charge, refunded=refunded, failed_at=None).first()
    if standing is not None and back is None:
        return standing
    grant = entry.lines.all()[0].grant
    payment = getattr(grant, "payment", None)
    refund, _ = models["Refund"].objects.get_or_create(
        reference=entry.reference.partition(":late:")[0] + ":failed",
        defaults={
            "grant": grant,
            "charge": charge,
            "refunded": refunded,
            "paid": max(payment.amount if payment else 0, int(refunded), 1),
            "owed": 0,
            "created_at": entry.created_at,
            "failed_at": back.created_at if back else timezone.now(),
        },
    )
    return refund


def _claims(models):
    """A refund claims what it took and what it is owed; one that failed claimed what it had taken."""
    refunds, taken = models["Refund"].objects, models["CreditEntry"].objects.filter(kind="claw_back").order_by()
    for failed, entries in ((False, taken.filter(ends=None)), (True, taken)):
        of_these = entries.filter(refund__isnull=False, refund__failed_at__isnull=not failed)
        for refund, credits in of_these.values_list("refund").annotate(credits=Sum("amount")):
            refunds.filter(pk=refund).update(credits=F("owed") - credits)
    refunds.filter(credits__lt=F("owed")).update(credits=F("owed"))


def _frozen(models):
    for grant in models["CreditGrant"].objects.filter(frozen_by__startswith="dispute:", dispute=None):
        dispute = models["Dispute"].objects.filter(stripe_id=grant.frozen_by.removeprefix("dispute:")).first()
        models["CreditGrant"].objects.filter(pk=grant.pk).update(dispute=dispute)


def spell(apps, schema_editor):
    """Spell in strings what was written since, for the code of before."""
    entries = apps.get_model("billing", "CreditEntry")
    for entry in entries.objects.filter(reference=None).select_related("of__of", "refund", "dispute").order_by("id"):
        entries.objects.filter(pk=entry.pk).update(reference=_spelled(entries, entry))
    for grant in apps.get_model("billing", "CreditGrant").objects.filter(frozen_by="").exclude(dispute=None):
        grant.frozen_by = f"dispute:{grant.dispute.stripe_id}"
        grant.save(update_fields=["frozen_by"])
    entries.objects.exclude(refund__failed_at=None).update(refund=None)
    apps.get_model("billing", "Refund").objects.exclude(failed_at=None).delete()


def _spelled(entries, entry):
    ended = entries.objects.filter(pk=entry.of_id).first()
    if ended is None:
        kind = f"refund:{entry.refund.charge}:{entry.refund.refunded}:" if entry.refund else "entry:"
        return f"dispute:{entry.dispute.stripe_id}:late:{entry.pk}" if entry.dispute else f"{kind}{entry.pk}"
    if ended.kind == "settle":
        return f"{ended.of.reference}:returned"
    return f"{ended.reference}:{'outcome' if ended.kind == 'hold' else 'restored'}"


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("billing", "0024_relations")]
    operations = [migrations.RunPython(fill, spell)]
