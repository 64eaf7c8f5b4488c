"""Files of each format, changed in any place: a run that comes back as it was, or one clear error."""

from __future__ import annotations

import os
import random
import time

import pytest
import udpping
from test_formats_changed import texts

pytestmark = [pytest.mark.python, pytest.mark.untimed]

SEED = int(os.environ.get("SOAK_SEED", "1"))
INPUTS = int(os.environ.get("UDPPING_FUZZ", "30000")) // 30  # in Python, of each format
LONGEST = 8_192
SLOWEST = 2.0  # seconds of CPU; most take a thousandth
NUMBERS = ["0", "-1", "nan", "1e308", "1e-320", "65536", "4294967296", "9223372036854775808", "9" * 400]
MARKS = ["\u0663", "\u202e", "\x00", "\x1b[1m", "\ufeff", "\r", "\n", "\t", '"', "'", ",", "{", "[", "=1+1"]
EDGES = NUMBERS + MARKS


class Mutator:
    """Makes inputs of others: by letters, by numbers, by lines, and by parts of other formats."""

    def __init__(self, seed: int, corpus: list[str]) -> None:
        self.draw = random.Random(seed)
        self.corpus = corpus

    def make(self, text: str) -> str:
        for _ in range(self.draw.randint(1, 4)):
            text = self.change(text)
        return text[:LONGEST]

    def change(self, text: str) -> str:
        draw = self.draw
        start = draw.randint(0, len(text))
        end = min(len(text), start + draw.choice([0, 1, 1, 4, 16, 80]))
        other = draw.choice(self.corpus)
        place = draw.randint(0, len(other))
        part = other[place : place + draw.randint(1, 60)]
        lines = text.splitlines(keepends=True) or [""]
        line = draw.randrange(len(lines))
        digits = [at for at, letter in enumerate(text) if letter.isdigit()]
        digit = draw.choice(digits) if digits else start
        made = [
            text[:start] + text[end:],
            text[:end] + text[start:end] * draw.randint(1, 5) + text[end:],
            text[:start] + part + text[end:],
            text[:start] + draw.choice(EDGES) + text[end:],
            text[:digit] + draw.choice(EDGES) + text[digit + 1 :],
            text[:start],
            "".join([*lines[:line], draw.choice(lines), *lines[line:]]),
            "".join([*lines[:line], *lines[line + 1 :]]),
        ]
        return draw.choice(made)


@pytest.mark.parametrize("format", list(texts()))
def test_a_changed_file_is_a_run_that_comes_back_or_one_clear_error(format: str) -> None:  # noqa: A002
    corpus = texts()
    mutator = Mutator(SEED, list(corpus.values()))
    runs = 0
    for _ in range(INPUTS):
        text = mutator.make(corpus[format])
        began, rows = time.thread_time(), 0
        try:
            # What has one line alone would be a path.
            run = udpping.load(text + "\n")
        except udpping.ConfigError as error:
            told = str(error)
            assert told, repr(text)
            assert told.isprintable(), (told, text)
        else:
            runs, rows = runs + 1, len(run)
            assert udpping.load(run.to_csv()) == run, repr(text)
            assert udpping.load(run.to_json(metadata=True)) == run, repr(text)
            assert udpping.load(run.to_json(), format="json") == run, repr(text)
        assert time.thread_time() - began < SLOWEST + rows / 20_000, repr(text)
    assert runs > INPUTS // 200, runs
