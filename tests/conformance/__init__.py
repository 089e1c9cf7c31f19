"""Which clients work: each call of real packages, unchanged, against a running installation, and what came of it.

A row says what a client's call does here. `table` has all of them with what has to come; `drivers/` has a program for
each client, in its own environment, that does its rows in one process and tells. The documentation shows the table.
"""
