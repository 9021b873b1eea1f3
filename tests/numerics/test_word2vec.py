"""Training of word vectors: the specification's bits, for any number of threads and on every instruction set."""

import hashlib
import math
from functools import cache
from typing import Any, NamedTuple

import core
import numpy as np
import pytest

from idembed import native
from idembed.models.words import training
from idembed.models.words.corpus import Corpus as Encoded
from idembed.native import word2vec
from idembed.native.word2vec import Method, Pass, Trained, Trainer
from oracle import canonical
from oracle import word2vec as oracle

STARTS = np.int32(-(2**31))  # the sign bit: this token begins a sentence
SENTENCES = (1, 2, 1, 7, 33, 150, 3, 12, 61)


class Corpus(NamedTuple):
    tokens: np.ndarray
    counts: np.ndarray


@cache
def corpus(words: int, size: int) -> Corpus:
    """`size` tokens, word w about 1 / (w + 1) of them, in sentences of 1 to 150. The same everywhere and for ever."""
    ids = np.zeros(size, np.int32)
    for position in range(size):
        most = words
        for level in range(5):
            most = 1 + oracle.below(oracle.draw(2026, 5 * position + level), most)
        ids[position] = most - 1
    tokens, begin, n = ids.copy(), 0, 0
    while begin < size:
        tokens[begin] |= STARTS
        begin, n = begin + SENTENCES[n % len(SENTENCES)], n + 1
    return Corpus(tokens, np.maximum(np.bincount(ids, minlength=words), 1))


def method(**changes: Any) -> Method:
    usual = {"dim": 20, "window": 5, "negative": 5, "skipgram": True, "shrink_windows": True, "mean": True}
    usual |= {"divided": True, "keep_threshold": 0.0, "noise_exponent": 0.75, "seed": 1}
    return Method(**(usual | changes))


class Run(NamedTuple):
    inputs: np.ndarray
    outputs: np.ndarray
    trained: Trained

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.inputs.tobytes() + self.outputs.tobytes()).hexdigest()


class Case(NamedTuple):
    """What is trained, on how many tokens, from which rate to which, and matrices that are larger than usual."""

    words: int
    tokens: int
    method: Method
    rates: tuple[float, float] = (0.2, 0.05)
    spread: tuple[float, float] | None = None

    def corpus(self) -> Corpus:
        return corpus(self.words, self.tokens)

    def matrices(self) -> tuple[np.ndarray, np.ndarray]:
        shape = self.words, self.method.dim
        inputs, outputs = word2vec.rows(*shape), word2vec.rows(*shape)
        word2vec.start(inputs, self.method.seed)
        if self.spread:
            random = np.random.default_rng(0)
            inputs[:], outputs[:] = (s * random.uniform(-1, 1, shape).astype(np.float32) for s in self.spread)
        return inputs, outputs


def run(case: Case, *, isa: str | None = None, threads: int = 2, cuts: tuple[int, ...] = ()) -> Run:
    """One pass, the third of its model, as one call or cut into several."""
    (tokens, counts), (inputs, outputs) = case.corpus(), case.matrices()
    trainer = Trainer(case.method, counts, isa=isa)
    kept, loss = 0, 0.0
    for begin, end in zip((0, *cuts), (*cuts, len(tokens)), strict=True):
        given = Pass(tokens, 2, *case.rates)
        done = trainer.train(given, begin, end, inputs, outputs, loss=loss, threads=threads)
        kept, loss = kept + done.kept, done.loss
    return Run(inputs, outputs, Trained(kept, loss))


@cache
def specified(case: Case) -> Run:
    """The same by the oracle."""
    (tokens, counts), (inputs, outputs) = case.corpus(), (m.copy() for m in case.matrices())
    done = oracle.train(case.method, counts.tolist(), Pass(tokens, 2, *case.rates), inputs, outputs)
    return Run(inputs, outputs, Trained(*done))


# ---- the oracle -------------------------------------------------------------------------------------------


def skipgram(words: int, tokens: int, rate: float = 0.03, size: float = 0.7, **changes: Any) -> Case:
    """With vectors long enough that every order of updates gives other bits."""
    return Case(words, tokens, method(**changes), (rate, rate / 2), (size, size))


SKIPGRAM = {
    "as usual": skipgram(1000, 600),
    "from the start": Case(1000, 600, method(), (0.025, 0.0001)),
    "32 parts": skipgram(2100, 400, dim=8),
    "64 parts": skipgram(5000, 400, dim=8),
    "1 negative, 16 dimensions, every window whole": skipgram(1000, 600, negative=1, dim=16, shrink_windows=False),
    "6 negatives, the second tile has 1": skipgram(1000, 400, negative=6),
    "12 negatives, few words a part": skipgram(1000, 300, negative=12, dim=8, noise_exponent=3.0),
    "1 word a part is nearly all noise": skipgram(1000, 300, negative=11, dim=8, noise_exponent=8.0),
    "noise by count": skipgram(1000, 400, noise_exponent=1.0, dim=8),
    "noise whatever the count": skipgram(1000, 400, noise_exponent=0.0, dim=8),
    "noise of rare words": skipgram(1000, 400, noise_exponent=-0.5, dim=8),
    "noise by another power": skipgram(1000, 400, noise_exponent=0.3, dim=8),
    "frequent words thinned": skipgram(1000, 1500, keep_threshold=1.5, dim=16),
    "three chunks": skipgram(1000, 40_000, 0.08, keep_threshold=0.02, dim=8),
    "groups of 16": skipgram(1000, 500, 0.001),
    "groups of 4": skipgram(1000, 500, 0.05),
    "groups of 1": skipgram(1000, 200, 0.2),
    "no rate": skipgram(1000, 300, 0.0, dim=8),
    "a window of 1 word": skipgram(1000, 500, window=1, dim=16),
    "a window that spans sentences": skipgram(1000, 100, window=70, dim=8, negative=2),
    "saturated": skipgram(1000, 300, 0.05, 6.0),
    "denormal": skipgram(1000, 300, 0.05, 3e-38),
    "37 dimensions": skipgram(1000, 300, dim=37),
}
CBOW = {
    "as usual": Case(1000, 2500, method(skipgram=False)),
    "2100 words": Case(2100, 1200, method(skipgram=False)),
    "a rate of 0.05": Case(1000, 1200, method(skipgram=False), (0.05, 0.01), (0.7, 0.7)),
    "a rate of 1": Case(1000, 1200, method(skipgram=False), (1.0, 1.0), (0.1, 0.1)),
    "gensim's update": Case(1000, 1200, method(skipgram=False, divided=False)),
    "sum": Case(1000, 1200, method(skipgram=False, mean=False, divided=False), (0.05, 0.01)),
    "sum, divided": Case(1000, 1200, method(skipgram=False, mean=False), (0.05, 0.01)),
    "1 negative, 16 dimensions": Case(1000, 1200, method(skipgram=False, negative=1, dim=16)),
    "6 negatives, 8 dimensions": Case(1000, 1200, method(skipgram=False, negative=6, dim=8)),
    "12 negatives": Case(1000, 1200, method(skipgram=False, negative=12)),
    "whole windows, noise by count": Case(1000, 700, method(skipgram=False, shrink_windows=False, noise_exponent=1.0)),
    "noise of rare words": Case(1000, 700, method(skipgram=False, noise_exponent=-0.5)),
    "frequent words thinned": Case(1000, 3000, method(skipgram=False, keep_threshold=3.0)),
    "three chunks": Case(1000, 40_000, method(skipgram=False, keep_threshold=0.03)),
    "a single group": Case(1000, 13, method(skipgram=False)),
    "16 and one": Case(1000, 17, method(skipgram=False)),
    "saturated": Case(1000, 700, method(skipgram=False), spread=(6.0, 6.0)),
    "denormal": Case(1000, 700, method(skipgram=False), spread=(3e-38, 3e-38)),
    "100 dimensions": Case(1000, 700, method(skipgram=False, dim=100)),
}
SERIAL = {
    "skip-gram": Case(999, 200, method()),
    "skip-gram of 50 words": Case(50, 200, method(dim=8)),
    "skip-gram of 2 words": Case(2, 100, method(dim=16)),
    "skip-gram of 1 word": Case(1, 40, method(dim=16)),
    "skip-gram, whole windows, thinned": Case(50, 600, method(dim=8, keep_threshold=1.0, shrink_windows=False)),
    "skip-gram, two chunks": Case(50, 20_000, method(dim=8, keep_threshold=0.003, negative=6)),
    "CBOW": Case(999, 400, method(skipgram=False)),
    "CBOW of 2 words": Case(2, 200, method(skipgram=False, dim=16)),
    "CBOW, gensim's update": Case(50, 400, method(skipgram=False, divided=False, dim=8)),
    "CBOW, sum": Case(50, 400, method(skipgram=False, mean=False, divided=False), (0.05, 0.01)),
}
CASES = {
    f"{kind}: {name}": case
    for kind, cases in (("skip-gram", SKIPGRAM), ("CBOW", CBOW), ("few words", SERIAL))
    for name, case in cases.items()
}


@pytest.mark.parametrize("name", CASES)
def test_training_equals_the_oracle(name: str) -> None:
    case, expected = CASES[name], specified(CASES[name])
    for isa in native.available_isas():
        got = run(case, isa=isa)
        assert got.trained == expected.trained, isa
        assert (core.bits(got.inputs) == core.bits(expected.inputs)).all(), isa
        assert (core.bits(got.outputs) == core.bits(expected.outputs)).all(), isa


@pytest.mark.parametrize("name", ["skip-gram: as usual", "CBOW: as usual", "few words: skip-gram"])
def test_the_cases_do_train(name: str) -> None:
    case = CASES[name]
    before, after = case.matrices()[0], specified(case).inputs
    assert 0.01 < np.abs(after - before).max() < 10
    assert np.isfinite(after).all()


@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
def test_vectors_start_as_the_oracles(seed: int) -> None:
    matrix = word2vec.rows(9, 20)
    matrix[:4] = 7
    word2vec.start(matrix, seed, 4)
    assert (matrix[:4] == 7).all()
    assert core.bits(matrix[4:]).tolist() == core.bits([oracle.start(w, 20, seed) for w in range(4, 9)]).tolist()
    assert np.abs(matrix[4:]).max() <= 0.5 / 20


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {0: 16_384, 600_000: 18_750, 8_388_608: 262_144, 10**10: 262_144}),
        ({"dim": 100}, {1: 16_384, 524_319: 16_384, 524_320: 16_385, 10**9: 262_144}),
        ({"dim": 300, "window": 10, "negative": 7}, {10**6: 31_250, 10**9: 32_768}),
        ({"dim": 65_536, "window": 80, "negative": 1024}, {10**9: 16_384}),
        ({"dim": 65_536, "window": 1024, "negative": 1024}, {10**9: 1280}),
        ({"dim": 1, "window": 10, "negative": 1}, {10**9: 131_072}),
    ],
)
def test_chunks_are_as_long_as_the_oracles(changes: dict, expected: dict) -> None:
    trainer = Trainer(method(**changes), np.ones(3, np.int64))
    for tokens, chunk in expected.items():
        assert trainer.chunk(tokens) == oracle.chunk_size(tokens, method(**changes)) == chunk


# ---- the oracle itself ------------------------------------------------------------------------------------


def numbers(n: int, seed: int, low: int = -30, high: int = 8) -> np.ndarray:
    """Of any size between two powers of two, with few or many bits."""
    random = np.random.default_rng(seed)
    significands = random.integers(1 << 23, 1 << 24, n) & (-1 << random.integers(0, 24, n))
    return (significands * random.choice([-1.0, 1.0], n) * 2.0 ** random.integers(low - 23, high - 23, n)).astype("f4")


def test_the_oracles_fma_rounds_once() -> None:
    for low, high in ((-30, 8), (-100, -40), (-75, -60)):  # the latter two are denormal or nearly
        a, b = numbers(3000, 1, low, high), numbers(3000, 2, low, high)
        product = a.astype(np.float64) * b
        random = np.random.default_rng(3)
        nearby = product * (2.0 ** random.integers(-26, 27, 3000) + random.integers(-1, 2, 3000) * 2.0**-24)
        for c in (nearby.astype(np.float32), -product.astype(np.float32), numbers(3000, 4, 2 * low, 2 * high)):
            expected = [canonical.fma(*t) for t in zip(a.tolist(), b.tolist(), c.tolist(), strict=True)]
            assert (core.bits(oracle.fma(a, b, c)) == core.bits(expected)).all()


def test_the_oracles_exp_and_dot_are_those_of_f32_1() -> None:
    x = np.concatenate([numbers(300, 1), np.float32([0, -87, 88, -87.1, 88.1, 200, -200])])
    assert core.bits(oracle.exp(x)).tolist() == core.bits([canonical.exp(v) for v in x.tolist()]).tolist()
    for dim in (1, 16, 20, 37):
        x, y = numbers(dim, dim), numbers(dim, dim + 1)
        assert float(oracle.dot(x, y)) == canonical.dot(x.tolist(), y.tolist())


def test_logistic_and_softplus_are_what_their_names_say() -> None:
    z = np.float32([0, 1e-7, 0.1, 1, 5, 20, 80])
    z = np.concatenate([z, -z])
    assert oracle.logistic(z) == pytest.approx([1 / (1 + math.exp(-v)) for v in z.tolist()], rel=3e-7)
    assert oracle.softplus(z) == pytest.approx([math.log1p(math.exp(v)) for v in z.tolist()], rel=3e-7)


@pytest.mark.parametrize("exponent", [0.75, 1, 0, -0.5, 0.3, 8, -8])
def test_powers_are_those_of_libm(exponent: float) -> None:
    for x in (1, 2, 3, 1000, 123_456_789, 2.0**62):
        assert oracle.power(x, exponent) == pytest.approx(math.pow(x, exponent), rel=2e-13)


def test_an_alias_table_draws_by_mass() -> None:
    masses = [oracle.power(c, 0.75) for c in (1000, 7, 7, 300, 1, 1, 50)]
    table = oracle.alias_table(list(range(7)), masses)
    shares = [0.0] * 7
    for threshold, own, other in table:
        shares[own] += threshold / 2**32 / 7
        shares[other] += (1 - threshold / 2**32) / 7
    assert shares == pytest.approx([m / sum(masses) for m in masses], abs=1e-9)


def test_parts_have_as_much_to_do() -> None:
    counts = corpus(5000, 20_000).counts.tolist()
    words = oracle.vocabulary(counts, 20.0, 0.75)
    loads = np.zeros(64)
    for word, count in enumerate(counts):
        loads[words.part[word]] += count * (words.keep[word] + 1) / 2**32
    assert loads.max() < 1.01 * loads.min()


# ---- threads, instruction sets, calls ---------------------------------------------------------------------

LARGE = {
    f"{'skip-gram' if skipgram else 'CBOW'}, {words} words, sample {sample}": Case(
        words,
        40_000 if words > 50 else 3000,
        method(dim=24, skipgram=skipgram, keep_threshold=sample * 40_000),
    )
    for skipgram in (True, False)
    for words in (2, 50, 5000)
    for sample in (0, 1e-3)
}

# These change only together with the trainer's name, "word2vec-1".
HASHES = {
    "skip-gram, 5000 words, sample 0.001": "9186d6cc03a31bd7b48620a210a4f14352dedca7d2bdffc225042ef1f8b3696a",
    "skip-gram, 50 words, sample 0": "9eeb35f32b30f64547123841d141a1b18551acb7712111a44eb8183c31e47f11",
    "CBOW, 5000 words, sample 0.001": "6a7273a585a6f417e865c80282dcb424ff775400c110789a4e87585c288f9c30",
    "CBOW, 5000 words, sample 0": "b32e51061fa78e7975f2da029ac918e7c49b840e65744bad946cb810a25d7714",
    "CBOW, 50 words, sample 0.001": "91a1850625a21332a978d54fc334419067df6559ae82d444987c86f863d285af",
}


@pytest.mark.parametrize("name", LARGE)
def test_threads_change_nothing(name: str) -> None:
    first = run(LARGE[name], threads=1)
    assert np.isfinite(first.inputs).all()
    for threads in (2, 3, 4, 8):
        again = run(LARGE[name], threads=threads)
        assert (again.sha256, again.trained) == (first.sha256, first.trained), threads


def test_more_threads_than_there_are_parts() -> None:
    case = CASES["skip-gram: as usual"]  # 8 of them
    assert run(case, threads=16).sha256 == run(case, threads=11).sha256 == specified(case).sha256


@pytest.mark.parametrize("name", LARGE)
def test_instruction_sets_change_nothing(name: str) -> None:
    runs = [run(LARGE[name], isa=isa) for isa in native.available_isas()]
    assert len({(r.sha256, r.trained) for r in runs}) == 1


@pytest.mark.parametrize("name", HASHES)
def test_the_bits_are_those_of_word2vec_1(name: str) -> None:
    assert run(LARGE[name]).sha256 == HASHES[name]


@pytest.mark.parametrize("name", ["skip-gram: three chunks", "CBOW: three chunks", "few words: skip-gram, two chunks"])
def test_several_calls_are_one(name: str) -> None:
    whole = run(CASES[name])
    cuts = tuple(range(16_384, CASES[name].tokens, 16_384))
    for at in (cuts, cuts[:1], cuts[-1:]):
        cut = run(CASES[name], cuts=at)
        assert (cut.sha256, cut.trained.kept) == (whole.sha256, whole.trained.kept)


def test_the_loss_does_not_depend_on_how_long_a_call_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    cbow, (tokens, counts) = method(skipgram=False, negative=12, dim=16), corpus(50, 120_000)
    losses = set()
    for seconds in (0.0, 1e9):
        monkeypatch.setattr(training, "_SECONDS", seconds)
        matrices, totals = training.Matrices.make(50, 16, 1), training.Totals()
        for number in range(6):
            training.train_pass(
                *(Trainer(cbow, counts), Encoded(tokens, 0, len(tokens)), matrices),
                number=number,
                rates=(0.2, 0.2),
                threads=2,
                loss=True,
                totals=totals,
                tell=lambda done: None,
            )
        losses.add(totals.loss)
    assert len(losses) == 1


@pytest.mark.parametrize("kind", ["skip-gram", "CBOW"])
@pytest.mark.parametrize("negative", [1, 5, 15])
def test_a_high_rate_and_no_thinning_do_not_run_away(kind: str, negative: int) -> None:
    """As in a long corpus, whose rate stays high for long."""
    case = Case(1000, 150_000, method(dim=16, negative=negative, skipgram=kind == "skip-gram"), (0.2, 0.2))
    (tokens, counts), (inputs, outputs) = case.corpus(), case.matrices()
    trainer = Trainer(case.method, counts)
    for number in range(5):
        trainer.train(Pass(tokens, number, *case.rates), 0, len(tokens), inputs, outputs, threads=2)
    assert max(np.abs(inputs).max(), np.abs(outputs).max()) < 20


@pytest.mark.parametrize("name", ["skip-gram: denormal", "CBOW: denormal"])
def test_a_callers_float_mode_changes_nothing(name: str) -> None:
    # Rounding towards zero, denormals flushed.
    other = 3 << 22 | 1 << 24 if core.float_mode() < 0x1000 else 0x1F80 | 3 << 13 | 1 << 15 | 1 << 6
    expected = run(CASES[name]).sha256
    case = CASES[name]
    (tokens, counts), (inputs, outputs) = case.corpus(), case.matrices()
    trainer = Trainer(case.method, counts)
    before = core.float_mode(other)
    try:
        trained = trainer.train(Pass(tokens, 2, *case.rates), 0, len(tokens), inputs, outputs, threads=2)
        after = core.float_mode()
    finally:
        core.float_mode(before)
    assert after == other
    assert Run(inputs, outputs, trained).sha256 == expected


def test_passes_and_seeds_have_draws_of_their_own() -> None:
    (tokens, counts), shape = corpus(1000, 500), (1000, 20)
    seen = set()
    for seed, number in ((1, 0), (1, 1), (2, 0)):
        inputs, outputs = word2vec.rows(*shape), word2vec.rows(*shape)
        word2vec.start(inputs, 1)
        Trainer(method(seed=seed), counts).train(Pass(tokens, number, 0.1, 0.1), 0, 500, inputs, outputs)
        seen.add(Run(inputs, outputs, Trained(0, 0)).sha256)
    assert len(seen) == 3


def test_no_loss_unless_asked() -> None:
    case = CASES["skip-gram: as usual"]
    (tokens, counts), (inputs, outputs) = case.corpus(), case.matrices()
    done = Trainer(case.method, counts).train(Pass(tokens, 2, *case.rates), 0, len(tokens), inputs, outputs)
    assert done == (600, 0.0)
    assert Run(inputs, outputs, done).sha256 == run(case).sha256


@pytest.mark.parametrize("words", [50, 1000])
@pytest.mark.parametrize("skipgram", [True, False])
def test_sentences_of_one_word_teach_nothing(words: int, skipgram: bool) -> None:
    tokens = corpus(words, 600).tokens | STARTS
    case = Case(words, 600, method(skipgram=skipgram), spread=(1.0, 1.0))
    inputs, outputs = case.matrices()
    trainer = Trainer(case.method, np.ones(words, np.int64))
    assert trainer.train(Pass(tokens, 0, 0.1, 0.1), 0, 600, inputs, outputs, loss=0.0) == (600, 0.0)
    assert all((now == then).all() for now, then in zip((inputs, outputs), case.matrices(), strict=True))


# ---- refusals ---------------------------------------------------------------------------------------------


def test_tokens_outside_the_vocabulary_are_refused() -> None:
    trainer = Trainer(method(), np.ones(1000, np.int64))
    inputs, outputs = word2vec.rows(1000, 20), word2vec.rows(1000, 20)
    for token in (1000, 2**31 - 1, int(STARTS) + 1000, -1):
        tokens = np.array([0, 1, 2, token], np.int32)
        with pytest.raises(ValueError, match="outside the vocabulary of 1000 words"):
            trainer.train(Pass(tokens, 0, 0.1, 0.1), 0, 4, inputs, outputs)
    assert not inputs.any()
    assert not outputs.any()


def test_matrices_of_another_layout_are_refused() -> None:
    trainer = Trainer(method(), np.ones(10, np.int64))
    good, given = word2vec.rows(10, 20), Pass(np.zeros(4, np.int32), 0, 0.1, 0.1)
    for bad in (np.zeros((10, 20), np.float32), word2vec.rows(9, 20), word2vec.rows(10, 16), np.zeros((10, 20))):
        with pytest.raises(ValueError, match=r"the matrices must be float32 \[10, 20\] made by rows"):
            trainer.train(given, 0, 4, bad, good)
        with pytest.raises(ValueError, match=r"the matrices must be float32 \[10, 20\] made by rows"):
            trainer.train(given, 0, 4, good, bad)


def test_tokens_of_another_type_are_refused() -> None:
    trainer = Trainer(method(), np.ones(10, np.int64))
    inputs, outputs = word2vec.rows(10, 20), word2vec.rows(10, 20)
    for tokens in (np.zeros(4, np.int64), np.zeros(8, np.int32)[::2]):
        with pytest.raises(ValueError, match="tokens must be contiguous int32"):
            trainer.train(Pass(tokens, 0, 0.1, 0.1), 0, 4, inputs, outputs)


@pytest.mark.parametrize(("begin", "end"), [(0, 100), (100, 20_000), (-16_384, 0), (16_384, 0), (0, 20_001)])
def test_parts_that_are_no_whole_chunks_are_refused(begin: int, end: int) -> None:
    trainer = Trainer(method(), np.ones(10, np.int64))
    inputs, outputs = word2vec.rows(10, 20), word2vec.rows(10, 20)
    with pytest.raises(ValueError, match=f"tokens {begin} to {end} of 20000 are no whole chunks"):
        trainer.train(Pass(np.zeros(20_000, np.int32), 0, 0.1, 0.1), begin, end, inputs, outputs)


@pytest.mark.parametrize("rates", [(math.nan, 0.1), (0.1, math.nan), (-0.1, 0.1), (0.1, math.inf), (1.5, 0.1)])
def test_rates_that_are_none_are_refused(rates: tuple[float, float]) -> None:
    trainer = Trainer(method(), np.ones(10, np.int64))
    inputs, outputs = word2vec.rows(10, 20), word2vec.rows(10, 20)
    with pytest.raises(ValueError, match="learning rates"):
        trainer.train(Pass(np.zeros(4, np.int32), 0, *rates), 0, 4, inputs, outputs)


@pytest.mark.parametrize(
    "changes",
    [
        *({"dim": 0}, {"dim": 65_537}, {"window": 0}, {"window": 1025}, {"negative": 0}, {"negative": 1025}),
        *({"keep_threshold": -1.0}, {"keep_threshold": math.nan}, {"noise_exponent": 8.5}),
        {"noise_exponent": math.nan},
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict) -> None:
    with pytest.raises(ValueError, match="cannot train 10 words by"):
        Trainer(method(**changes), np.ones(10, np.int64))


@pytest.mark.parametrize("counts", [[], [0], [3, 2, 0], [5, -1]])
def test_words_that_do_not_occur_are_refused(counts: list[int]) -> None:
    with pytest.raises(ValueError, match="cannot train"):
        Trainer(method(), np.array(counts, np.int64))
