"""Corpora, read in the layouts in which they are published."""

from striate.data.corpora.base import Corpus
from striate.data.corpora.digits import write_digits
from striate.data.corpora.mnist import open_mnist

CORPORA: dict[str, Corpus] = {
    "digits": Corpus("1,797 handwritten digits of scikit-learn, as IDX", open_mnist, write_digits),
    "mnist": Corpus("MNIST, or any folder of its four IDX files", open_mnist),
}
