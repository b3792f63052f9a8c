"""Stories that callers tell: kept a sentence at a time, recalled in order, forgotten when asked.

The store of record (`store`, `schema`) is SQL. A tenant is whoever a token is named after, a story
what the tenant calls one conversation; nobody reads another tenant's.
"""
