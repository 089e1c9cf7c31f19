"""The addresses that mails of ours lead to."""

from django.urls import path

from accounts.unsubscribe import unsubscribe

urlpatterns = [path("mail/stop/<str:token>/", unsubscribe, name="unsubscribe")]
