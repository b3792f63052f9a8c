"""Stores of record in SQL: what was acknowledged is on the disk, in SQLite and PostgreSQL alike.

A store is a `StoreKind` (its name, tables and migrations) and a `SqlStore`, which opens, migrates
and runs transactions; `database` says how either database is used, `errors` what can be wrong.
"""
