"""Delete what a closed account holds, step by step; only its books stay, without the person.

The account was closed when its person asked (`jobs.start_deletion`): nobody logs in to it and no key opens anything.
Every step can be done again, so a worker that dies leaves a task that another one does from the beginning.
"""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib.admin.models import LogEntry
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import Q

from accounts import sessions
from accounts.emails import CLOSED_DOMAIN
from accounts.models import ApiKey, User
from billing import ledger
from billing.models import Wallet
from billing.outbox import mail
from billing.staff import forgetting
from billing.stripe import closing
from generator.calls import purge as calls
from generator.files import uploads
from generator.jobs import lifecycle
from generator.library import trash
from generator.models import CANCELLED, Generation
from generator.webhooks import endpoints
from kit import storage
from kit.threads import let_go
from reveweb.personal import jobs
from reveweb.personal.models import PersonalTask


def delete(task: PersonalTask) -> None:
    """Do all that closing the account of the task's person takes, and finish it.

    Raises LostClaim, PaymentError, and StillLeft when something has to be tried again later.
    """
    wallet = ledger.wallet_of(task.user_id)
    jobs.update(task, step="Ending plans and checkouts")
    closing.stop_charges(wallet)
    jobs.update(task, step="Stopping unfinished images")
    _stop_drawing(wallet)
    endpoints.forget(wallet)
    _delete_images(task, wallet)
    _delete_uploads(task, wallet)
    calls.of_account(wallet)
    jobs.update(task, step="Removing keys and log-ins")
    _delete_exports(task)
    _delete_log_ins(task.user)
    jobs.update(task, step="Removing your name and address")
    closing.stop_charges(wallet)  # a checkout may have been on its way when the account closed
    _forget(task.user, wallet)
    jobs.finish(task)


class StillLeft(Exception):
    """Something could not be deleted now, as when storage cannot be reached or a worker still packs an export."""


def _stop_drawing(wallet: Wallet) -> None:
    for generation in wallet.generations.filter(status__in=Generation.UNFINISHED):
        message = "The account was deleted."
        lifecycle.fail(generation, code=CANCELLED, message=message, only_if=lifecycle.WHOEVER_HAS_IT)


def _delete_images(task: PersonalTask, wallet: Wallet) -> None:
    left = wallet.generations.filter(purged_at=None).count()
    progress = jobs.Progress(task, "Deleting your images", left)
    while left:
        before, left = left, trash.purge_account(wallet)
        progress.advance(progress.total - left)
        if left >= before:
            raise StillLeft(f"{left} images")


def _delete_uploads(task: PersonalTask, wallet: Wallet) -> None:
    left = wallet.uploads.filter(purged_at=None).count()
    progress = jobs.Progress(task, "Deleting your uploads", left)
    while left:
        before, left = left, uploads.purge_account(wallet)
        progress.advance(progress.total - left)
        if left >= before:
            raise StillLeft(f"{left} uploads")


def _delete_exports(task: PersonalTask) -> None:
    for export in PersonalTask.objects.filter(user_id=task.user_id, kind=PersonalTask.Kind.EXPORT):
        if jobs.is_held(export):  # its worker may be storing the file at this moment
            raise StillLeft(str(export))
        let_go()
        with storage.asked():
            jobs.private().delete(export.file_path)
        export.delete()


def _delete_log_ins(user: User) -> None:
    sessions.end_all(user)
    for records in (Authenticator, SocialAccount, EmailAddress, ApiKey):
        records.objects.filter(user=user).delete()


@transaction.atomic
def _forget(user: User, wallet: Wallet) -> None:
    """Take the person out of the user's row, and put their last mail down, together."""
    user = User.objects.select_for_update(of=("self",)).get(pk=user.pk)
    if user.email.endswith(f"@{CLOSED_DOMAIN}"):
        return
    mail.forget(wallet, user.email)
    mail.queue_to(user.email, "account_deleted", user=user)
    wallet.customers.update(email="", name="")
    forgetting.forget(wallet, [user.email, *([user.name] if " " in user.name else [])])
    _forget_acts(user)
    user.groups.clear()
    user.user_permissions.clear()
    User.objects.filter(pk=user.pk).update(
        email=f"deleted-{user.pk}@{CLOSED_DOMAIN}",
        name="",
        password=make_password(None),
        is_active=False,
        is_staff=False,
        is_superuser=False,
        mail_receipts=False,
        mail_low_balance=False,
        last_login=None,
        signup_network="",
    )


def _forget_acts(user: User) -> None:
    """The admin's log names what it is about as it was called then."""
    named = Q(object_repr__icontains=user.email) | Q(change_message__icontains=user.email)
    LogEntry.objects.filter(named).update(object_repr=f"Deleted account {user.pk}", change_message="")
