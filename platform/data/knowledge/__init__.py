"""Knowledge bases: entities with their names, relations, and facts; who is meant, and what is near.

A base is a folder of Arrow files and a manifest (`manifest`), mapped into memory (`base`). Builders
read the Factbook, WordNet, tables and N-Triples into one (`builder`). A linker finds which entity a
question names (`linker`), and the paths of one or two facts from there are its candidate answers
(`paths`, `features`). Questions to learn from are made of wordings (`wording`, `questions`).
"""
