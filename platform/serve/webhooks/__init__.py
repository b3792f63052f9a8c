"""Other systems are told whom a search found: known, unknown, or no face at all.

A search hands over what it saw and goes on (`sender`). An event waits in a table of the store of
record (`outbox`) until its receiver has taken it (`post`), signed as Standard Webhooks 1.0 says
(`signature`). A receiver that fails is tried again, later each time; what nobody took is a dead
letter that `striate faces webhooks` shows.
"""
