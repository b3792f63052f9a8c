"""Applications that can be deployed, a file each; `app_kinds` lists them.

A replica imports the one that it runs and no other: what faces need takes half a second.
"""
