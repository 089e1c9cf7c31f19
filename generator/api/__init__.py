"""The endpoints of `/v1`, and those that speak other protocols: each translates HTTP, and calls one domain function.

Who calls is told by `calling`, and whose images that caller may see by `Caller.generations`.
"""
