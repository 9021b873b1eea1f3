"""fma, exp, erf, gelu, tanh: exact where exact is promised, close to the truth, and one result on every CPU."""

import math

import core
import numpy as np
import pytest

from oracle import canonical, whole

BIG = np.float32(3.4028235e38)
EDGES = np.array(
    [
        *(0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, BIG, -BIG),
        *(2**-149, -(2**-149), 2**-126, -(2**-126), 2**-126 - 2**-149, 1 + 2**-23, 1 - 2**-24),
        *(3.0, -3.0, 2**64, -(2**-64), 2**-75, 2**-100, 2.0**64 - 2**40, 1e-38, 1.1754945e-38),
    ],
    np.float32,
)


def triples(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random significands with exponents that make ties, cancellation, underflow and overflow common."""
    random = np.random.default_rng(seed)

    def numbers(low: int, high: int) -> np.ndarray:
        few_bits = random.integers(1 << 23, 1 << 24, n) & (-1 << random.integers(0, 24, n))
        return (few_bits * random.choice([-1.0, 1.0], n) * 2.0 ** random.integers(low, high, n)).astype(np.float32)

    with np.errstate(over="ignore", under="ignore"):
        a, b = numbers(-110, 60), numbers(-60, 40)
        product = a.astype(np.float64) * b
        nearby = -product * (1 + random.integers(-3, 4, n) * 2.0 ** -random.integers(20, 30, n))
        scaled = product * 2.0 ** random.integers(-30, 30, n)
        c = np.choose(random.integers(0, 3, n), [nearby, scaled, numbers(-149, 100)]).astype(np.float32)
    return a, b, c


def long_double_fma(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Candidates in extended precision, and where they are certainly right: not near a tie of float32."""
    if np.finfo(np.longdouble).nmant < 63:
        pytest.skip("needs 80-bit long double")
    with np.errstate(all="ignore"):
        wide = a.astype(np.longdouble) * b + c.astype(np.longdouble)
        rounded = wide.astype(np.float32)
        step = np.spacing(np.abs(rounded)).astype(np.longdouble)
        sure = np.abs(np.abs(wide - rounded) / step - 0.5) > 1e-9
    return rounded, sure & np.isfinite(rounded)


def test_fma_of_edge_cases_is_rounded_once(isa: str) -> None:
    a, b, c = (g.ravel().copy() for g in np.meshgrid(EDGES, EDGES, EDGES))
    with np.errstate(all="ignore"):
        expected = np.array([canonical.fma(*t) for t in zip(a.tolist(), b.tolist(), c.tolist(), strict=True)])
        got = core.fma(a, b, c, isa)
    nan = np.isnan(expected)
    assert (np.isnan(got) == nan).all()
    assert (core.bits(got)[~nan] == core.bits(expected)[~nan]).all()


def test_fma_of_hard_cases_equals_exact_fractions(isa: str) -> None:
    a, b, c = triples(20_000, seed=1)
    expected = [canonical.fma(*t) for t in zip(a.tolist(), b.tolist(), c.tolist(), strict=True)]
    assert (core.bits(core.fma(a, b, c, isa)) == core.bits(expected)).all()


def test_fma_of_millions_of_hard_cases_agrees_with_extended_precision(isa: str) -> None:
    a, b, c = triples(1_500_000, seed=2)
    expected, sure = long_double_fma(a, b, c)
    assert sure.sum() > 500_000
    assert (core.bits(core.fma(a, b, c, isa))[sure] == core.bits(expected)[sure]).all()


def test_software_fma_equals_the_instruction_on_millions_of_hard_cases(fast_isa: str) -> None:
    a, b, c = triples(3_000_000, seed=3)
    assert (core.bits(core.fma(a, b, c, "scalar")) == core.bits(core.fma(a, b, c, fast_isa))).all()


# ---- exp, erf, gelu, tanh ---------------------------------------------------------------------------------------


def ulps(got: np.ndarray, truth: np.ndarray) -> float:
    return float((np.abs(got.astype(np.float64) - truth) / np.spacing(np.abs(truth).astype(np.float32))).max())


def test_exp_is_within_one_ulp() -> None:
    x = np.linspace(-87, 88, 2_000_001).astype(np.float32)
    assert ulps(core.apply("exp", x, "scalar"), np.exp(x.astype(np.float64))) < 1.0


def test_exp_at_its_edges(isa: str) -> None:
    x = np.array([-87.00001, -87, -1e30, -math.inf, 0, -0.0, 88, 88.00001, math.inf, 2**-149], np.float32)
    got = core.apply("exp", x, isa)
    assert got[[0, 2, 3]].tolist() == [0, 0, 0]
    assert got[1] > 1.17e-38
    assert got[[4, 5, 9]].tolist() == [1, 1, 1]
    assert math.isfinite(got[6])
    assert got[[7, 8]].tolist() == [math.inf, math.inf]
    assert np.isnan(core.apply("exp", np.array([math.nan], np.float32), isa)).all()


def test_erf_is_within_a_little_more_than_one_ulp() -> None:
    x = np.concatenate([np.linspace(-4, 4, 400_001), np.geomspace(1e-30, 1, 50_001)]).astype(np.float32)
    assert ulps(core.apply("erf", x, "scalar"), np.array([math.erf(v) for v in x.tolist()])) < 1.1


def test_erf_reaches_one_and_never_passes_it(isa: str) -> None:
    x = np.linspace(3, 5, 1_000_001).astype(np.float32)
    got = core.apply("erf", x, isa)
    assert got.max() == 1
    assert (got[x >= 3.93] == 1).all()
    assert core.bits(core.apply("erf", -x, isa)).tolist() == core.bits(-got).tolist()


def test_gelu_is_close_to_the_exact_form() -> None:
    x = np.linspace(-10, 10, 400_001).astype(np.float32)
    truth = np.array([v * (1 + math.erf(v / math.sqrt(2))) / 2 for v in x.tolist()])
    got = core.apply("gelu", x, "scalar")
    assert np.abs(got - truth).max() < 5e-7
    assert core.apply("gelu", np.array([-20, 20], np.float32), "scalar").tolist() == [0, 20]


def test_gelu_of_the_integer_profiles_is_within_their_steps() -> None:
    x = np.concatenate([np.linspace(-10, 10, 400_001), [-1e30, 1e30]]).astype(np.float32)
    truth = np.array([v * (1 + math.erf(v / math.sqrt(2))) / 2 for v in x.tolist()])
    got = core.apply("int_gelu", x, "scalar")
    assert (np.abs(got - truth) <= 2.1e-4 + np.spacing(np.abs(truth))).all()


@pytest.mark.parametrize("every", [1, 2, 3, 4, 5, 7, 8, 12, 16, 32])
def test_small_weights_of_i8_are_right_on_average_however_a_text_repeats_itself(every: int) -> None:
    of = whole.WEIGHTS["i8-1"]
    for exact in (0.2, 0.3, 0.7, 1.3, 2.4):
        x = math.log2(exact / 255)
        for first in range(every):
            weights = [whole.weight(x, key, of) for key in range(first, 256, every)]
            assert abs(sum(weights) / len(weights) - exact) < 0.12


def test_gelu_of_nan_and_infinity_is_not_hidden(isa: str) -> None:
    assert not np.isfinite(core.apply("gelu", np.array([math.nan, math.inf], np.float32), isa)).any()


def test_tanh_is_within_a_little_more_than_one_ulp() -> None:
    x = np.concatenate([np.linspace(-10, 10, 800_001), np.geomspace(1e-30, 1, 50_001)]).astype(np.float32)
    assert ulps(core.apply("tanh", x, "scalar"), np.tanh(x.astype(np.float64))) < 1.1


def test_tanh_reaches_one_and_never_passes_it(isa: str) -> None:
    x = np.concatenate([np.linspace(8, 10, 200_001), [1e30, math.inf]]).astype(np.float32)
    got = core.apply("tanh", x, isa)
    assert got.max() == 1
    assert (got[x >= 9.02] == 1).all()
    assert core.bits(core.apply("tanh", -x, isa)).tolist() == core.bits(-got).tolist()


def test_tanh_of_nan_is_not_hidden(isa: str) -> None:
    assert np.isnan(core.apply("tanh", np.array([math.nan], np.float32), isa)).all()


FUNCTIONS = {
    "exp": canonical.exp,
    "erf": canonical.erf,
    "gelu": canonical.gelu,
    "tanh": canonical.tanh,
    "int_gelu": whole.gelu,
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_equal_the_oracle(function: str, isa: str) -> None:
    random = np.random.default_rng(4)
    x = np.concatenate([random.normal(0, 2, 1500), random.uniform(-90, 90, 300), 10 ** random.uniform(-44, 0, 200)])
    x = x.astype(np.float32)
    expected = [FUNCTIONS[function](v) for v in x.tolist()]
    assert core.bits(core.apply(function, x, isa)).tolist() == core.bits(expected).tolist()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_are_the_same_bits_on_every_instruction_set(function: str, fast_isa: str) -> None:
    x = np.random.default_rng(5).integers(0, 2**32, 500_000, dtype=np.uint32).view(np.float32)
    x = np.concatenate([x, np.linspace(-90, 90, 300_001).astype(np.float32)])
    a, b = core.apply(function, x, "scalar"), core.apply(function, x, fast_isa)
    nan = np.isnan(a)
    assert (np.isnan(b) == nan).all()
    assert (core.bits(a)[~nan] == core.bits(b)[~nan]).all()
