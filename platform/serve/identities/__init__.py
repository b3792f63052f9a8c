"""People and their faces: the store of record, the index of codes, and what is done with both.

The store (`store`, `schema`) is the truth, in SQL. The index (`code_index`) is made of it, follows
it by its change numbers (`feed`), and answers which codes are nearest. What people do to faces
stands in one file a verb: `enroll`, `people`, `search`, `clusters`, `forget`, `export`, `reindex`.
"""
