"""The API that reve.com sells, as its own clients speak it: programs written for it run on under another address.

What its fields mean here is told by `fields`, which the documentation's table is made of. Nothing here is in the
OpenAPI document: who writes something new asks `/v1/reve-image/`.
"""
