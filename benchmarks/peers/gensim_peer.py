"""gensim's word2vec on lines of words: trains when it is told to, and answers analogies.

Each line of its input is a path of settings as JSON; the answer is a line of JSON: seconds, and by
section how many analogies it answers right. It has a process of its own, with gensim alone.
"""

import json
import sys
import time
from typing import Any

from gensim.models import Word2Vec


def learn(settings: dict[str, Any]) -> dict[str, Any]:
    """Train once: the vocabulary is made before the clock runs, as on the other side."""
    with open(settings["text"], encoding="utf-8") as file:  # noqa: PTH123
        lines = [line.split() for line in file]
    model = Word2Vec(**settings["arguments"])
    model.build_vocab(lines)
    began = time.perf_counter()
    model.train(lines, total_examples=len(lines), epochs=model.epochs)
    seconds = time.perf_counter() - began
    _, sections = model.wv.evaluate_word_analogies(
        settings["questions"], restrict_vocab=settings["most_frequent"]
    )
    right = {
        one["section"]: [len(one["correct"]), len(one["correct"]) + len(one["incorrect"])]
        for one in sections
    }
    return {"seconds": seconds, "right": right}


def main() -> None:
    """Until the input ends."""
    for line in sys.stdin:
        with open(line.strip(), encoding="utf-8") as file:  # noqa: PTH123
            settings = json.load(file)
        print(json.dumps(learn(settings)), flush=True)


if __name__ == "__main__":
    main()
