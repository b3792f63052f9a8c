"""Weighted finite-state automata with gradients, under the names that k2 gives them."""

from striate.models.automata.build import dense_fsa, levenshtein_graph, linear_fsa, linear_fst
from striate.models.automata.determinize import determinize
from striate.models.automata.epsilon import remove_epsilon
from striate.models.automata.fsa import EPSILON, FINAL, Fsa, FsaVec, create_fsa_vec
from striate.models.automata.product import compose, intersect
from striate.models.automata.rational import cat, closure, union
from striate.models.automata.rearrange import arc_sort, connect, invert, project, top_sort
from striate.models.automata.scores import (
    get_arc_post,
    get_backward_scores,
    get_forward_scores,
    get_tot_scores,
)
from striate.models.automata.shortest_path import shortest_path

__all__ = [
    "EPSILON",
    "FINAL",
    "Fsa",
    "FsaVec",
    "arc_sort",
    "cat",
    "closure",
    "compose",
    "connect",
    "create_fsa_vec",
    "dense_fsa",
    "determinize",
    "get_arc_post",
    "get_backward_scores",
    "get_forward_scores",
    "get_tot_scores",
    "intersect",
    "invert",
    "levenshtein_graph",
    "linear_fsa",
    "linear_fst",
    "project",
    "remove_epsilon",
    "shortest_path",
    "top_sort",
    "union",
]
