"""Mails that go out: rows that a worker sends."""
