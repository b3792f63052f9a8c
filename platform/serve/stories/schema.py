"""The tables of the store of stories, as the newest migration leaves them.

A story's row says which number its next sentence has: numbers are given in the order in which
sentences are committed, and never twice, whatever is forgotten meanwhile.
"""

from sqlalchemy import BigInteger, Column, Float, Index, MetaData, Table, Text

metadata = MetaData()

stories = Table(
    "stories",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("next_number", BigInteger, nullable=False),
)
sentences = Table(
    "story_sentences",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("story", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),
    Column("at_unix_s", Float, nullable=False),
    Column("call_id", Text, nullable=False),  # of the call that told it; empty for none
    Index("ix_story_sentences_call", "tenant", "story", "call_id"),
)
