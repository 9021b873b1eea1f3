"""Trainer ``word2vec-1`` a second time: plain Python, one thing after the other, from docs/word2vec-arithmetic.md.

It shares nothing with the C++ code but the specification. Draws are Python integers, statistics Python floats
(binary64). A row is a NumPy array of float32: every operation on it is elementwise and rounds once, `fma` too.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, cycle
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from idembed.native.word2vec import Method, Pass

FEWEST_WORDS = 1000
WORDS_IN_PART = 64
MOST_PARTS = 64
CHUNKS_IN_PASS = 32
SHORTEST_CHUNK = 16_384
LONGEST_CHUNK = 262_144
USUAL_WORK = 600
USUAL_WINDOW, WIDEST_WINDOW = 5, 80
GROUP = 16
MOST_DELAYED = 0.0101
TILE = 5
MOST_WAITING = 8
BLOCK = 512
MOST_UPDATES = 32
MOST_CHANGE = 3.21
SMALLEST = 1e-6

F32 = np.float32
LANES = 16
BITS_32 = 2**32 - 1
BITS_64 = 2**64 - 1


# ---- numbers ----------------------------------------------------------------------------------------------


def fma(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """a b + c, rounded once to float32: the sum of the exact product and c is rounded to odd in float64 first
    (Boldo and Melquiond 2008). Finite numbers only."""
    product, c = np.multiply(a, b, dtype=np.float64), np.asarray(c, np.float64)
    total = np.asarray(product + c)
    of_c = total - product
    lost = (product - (total - of_c)) + (c - of_c)
    inexact_even = (lost != 0) & (total.view(np.int64) % 2 == 0)
    np.nextafter(total, np.copysign(np.inf, lost), out=total, where=inexact_even)
    return total.astype(F32)


def exp(x: np.ndarray) -> np.ndarray:
    inside = np.clip(x, F32(-87), F32(88))
    magic = F32(1.5 * 2**23)
    n = fma(inside, F32(float.fromhex("0x1.715476p+0")), magic) - magic
    r = fma(n, F32(-float.fromhex("0x1.62e4p-1")), inside)
    r = fma(n, F32(-float.fromhex("0x1.7f7d1cp-20")), r)
    p = F32(float.fromhex("0x1.6a23ccp-10"))
    for c in ("0x1.123a20p-7", "0x1.5558f2p-5", "0x1.555492p-3", "0x1.fffffcp-2", "1", "1"):
        p = fma(p, r, F32(float.fromhex(c)))
    y = p * np.exp2(n.astype(np.float64)).astype(F32)
    return np.where(x < -87, F32(0), np.where(x > 88, F32(np.inf), y))


def dot(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Over the last axis; the others are broadcast."""
    x, y = np.broadcast_arrays(x, y)
    if missing := -x.shape[-1] % LANES:
        padding = [(0, 0)] * (x.ndim - 1) + [(0, missing)]
        x, y = np.pad(x, padding), np.pad(y, padding)
    lane = np.zeros((*x.shape[:-1], LANES), F32)
    for i in range(0, x.shape[-1], LANES):
        lane = fma(x[..., i : i + LANES], y[..., i : i + LANES], lane)
    for half in (8, 4, 2, 1):
        lane = lane[..., :half] + lane[..., half : 2 * half]
    return lane[..., 0]


def logistic(z: np.ndarray) -> np.ndarray:
    return F32(1) / (F32(1) + exp(F32(0) - z))


def softplus(z: np.ndarray) -> np.ndarray:
    t = exp(-np.abs(z))
    u = t / (F32(2) + t)
    p = F32(2) / F32(11)
    for coefficient in (F32(2) / F32(9), F32(2) / F32(7), F32(2) / F32(5), F32(2) / F32(3), F32(2)):
        p = fma(p, u * u, coefficient)
    return fma(p, u, np.where(z > 0, z, F32(0)))


# ---- draws ------------------------------------------------------------------------------------------------

START, KEEP, WINDOW, PART, NOISE = range(5)


def mix(z: int) -> int:
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & BITS_64
    z = (z ^ z >> 27) * 0x94D049BB133111EB & BITS_64
    return z ^ z >> 31


def draw(key: int, n: int) -> int:
    return mix(key + (n + 1) * 0x9E3779B97F4A7C15 & BITS_64)


def high(random: int) -> int:
    return random >> 32


def low(random: int) -> int:
    return random & BITS_32


def below(random: int, bound: int) -> int:
    return high(random) * bound >> 32


def key(seed: int, number: int, use: int) -> int:
    return draw(draw(draw(seed, 0), number), use)


def start(word: int, dim: int, seed: int) -> np.ndarray:
    of_word = draw(key(seed, 0, START), word)
    numbers = [(draw(of_word, i) >> 40) * 2.0**-24 - 0.5 for i in range(dim)]
    return np.array(numbers, F32) / F32(dim)


# ---- vocabulary -------------------------------------------------------------------------------------------


def share(x: float) -> int:
    return max(math.floor(min(x * 2.0**32, 2.0**32 - 1)), 0)


def kept_share(c: float, threshold: float) -> float:
    return min((math.sqrt(c / threshold) + 1) * (threshold / c), 1.0) if threshold > 0 else 1.0


def log2(x: float) -> float:
    n = 0
    while x >= 2:
        x, n = x / 2, n + 1
    while x < 1:
        x, n = x * 2, n - 1
    t = (x - 1) / (x + 1)
    square, total = t * t, 0.0
    for i in range(1, 40, 2):
        total += t / i
        t *= square
    return n + 2.8853900817779268 * total


def exp2(x: float) -> float:
    n = int(x - 0.5 if x < 0 else x + 0.5)
    y = (x - n) * 0.69314718055994531
    total = term = 1.0
    for i in range(1, 20):
        term = term * y / i
        total += term
    return math.ldexp(total, n)


def power(x: float, exponent: float) -> float:
    if exponent == 0.75:
        return math.sqrt(x) * math.sqrt(math.sqrt(x))
    return x if exponent == 1 else exp2(exponent * log2(x))


class Column(NamedTuple):
    threshold: int
    own: int
    other: int


def alias_table(items: list[int], masses: list[float]) -> list[Column]:
    """`masses` are those of the `items`."""
    total = 0.0
    for mass in masses:
        total += mass
    shares = [mass / total * len(items) for mass in masses]
    small = [i for i, s in enumerate(shares) if s < 1]
    large = [i for i, s in enumerate(shares) if s >= 1]
    table = [Column(BITS_32, item, item) for item in items]
    while small and large:
        poor, rich = small.pop(), large[-1]
        table[poor] = Column(share(shares[poor]), items[poor], items[rich])
        shares[rich] -= 1 - shares[poor]
        if shares[rich] < 1:
            small.append(large.pop())
    return table


def pick(table: list[Column], random: int) -> int:
    column = table[below(random, len(table))]
    return column.own if low(random) < column.threshold else column.other


def parts_of(words: int) -> int:
    parts = 1
    while parts < MOST_PARTS and words >= 2 * parts * WORDS_IN_PART:
        parts *= 2
    return parts


@dataclass(frozen=True)
class Vocabulary:
    keep: list[int]
    part: list[int]
    all_noise: list[Column]
    part_noise: list[Column]
    noise: list[list[Column]]  # of each part


def vocabulary(counts: list[int], threshold: float, exponent: float) -> Vocabulary:
    parts = parts_of(len(counts))
    masses = [power(float(c), exponent) for c in counts]
    keep, part = [], []
    load, part_mass = [0.0] * parts, [0.0] * parts
    for word, c in enumerate(counts):
        kept = kept_share(float(c), threshold)
        keep.append(share(kept))
        part.append(word if word < parts else load.index(min(load)))
        load[part[-1]] += kept * c
        part_mass[part[-1]] += masses[word]
    noise = []
    for p in range(parts):
        words = [w for w, own in enumerate(part) if own == p]
        noise.append(alias_table(words, [masses[w] for w in words]))
    everything = alias_table(list(range(len(counts))), masses)
    return Vocabulary(keep, part, everything, alias_table(list(range(parts)), part_mass), noise)


# ---- chunks -----------------------------------------------------------------------------------------------


def chunk_size(tokens: int, method: Method) -> int:
    work = max((1 + method.negative) * method.dim, USUAL_WORK)
    least = SHORTEST_CHUNK * WIDEST_WINDOW // max(method.window, WIDEST_WINDOW)
    most = LONGEST_CHUNK * USUAL_WINDOW * USUAL_WORK // (method.window * work)
    most = min(max(most, least), LONGEST_CHUNK)
    return min(max(tokens // CHUNKS_IN_PASS, least), most)


class Place(NamedTuple):
    word: int
    position: int
    sentence: int


@dataclass
class Chunk:
    """What is trained at once, and everything that is needed for it."""

    method: Method
    words: Vocabulary
    number: int  # of the pass
    begin: int
    rate: np.float32
    places: list[Place]
    inputs: np.ndarray
    outputs: np.ndarray

    def draw(self, use: int, n: int) -> int:
        return draw(self.key(use), n)

    def key(self, use: int) -> int:
        return key(self.method.seed, self.number, use)

    def window(self, place: int) -> range:
        """The window of a place, itself in it."""
        reach = self.method.window
        if self.method.shrink_windows:
            reach -= below(self.draw(WINDOW, self.places[place].position), reach)
        sentence = self.places[place].sentence
        first = last = place
        while first > max(place - reach, 0) and self.places[first - 1].sentence == sentence:
            first -= 1
        while last < min(place + reach, len(self.places) - 1) and self.places[last + 1].sentence == sentence:
            last += 1
        return range(first, last + 1)

    def pull(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradients and losses of what was seen."""
        away = F32(0) - dot(x, y)
        return self.rate * logistic(away), softplus(away)

    def push(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradients and losses of what was drawn."""
        near = dot(x, y)
        return -self.rate * logistic(near), softplus(near)


def sample(corpus: Pass, begin: int, end: int, words: Vocabulary, seed: int) -> list[Place]:
    of_keep, sentence, places = key(seed, corpus.number, KEEP), 0, []
    for position, token in enumerate(corpus.tokens[begin:end].tolist(), begin):
        sentence += token < 0
        word = token & 0x7FFFFFFF
        if high(draw(of_keep, position)) <= words.keep[word]:
            places.append(Place(word, position, sentence))
    return places


def add_up(losses: np.ndarray | list[np.float32], total: float = 0.0) -> float:
    for loss in np.ravel(losses).tolist():
        total += loss
    return total


class Result(NamedTuple):
    kept: int
    loss: float


def train(method: Method, counts: list[int], corpus: Pass, inputs: np.ndarray, outputs: np.ndarray) -> Result:
    """One pass; the matrices float32 [words, dim] change in place."""
    words = vocabulary(counts, method.keep_threshold, method.noise_exponent)
    n, kept, loss = len(corpus.tokens), 0, 0.0
    size = chunk_size(n, method)
    for begin in range(0, n, size):
        rate = F32(corpus.first_rate + (corpus.last_rate - corpus.first_rate) * (begin / n))
        places = sample(corpus, begin, min(begin + size, n), words, method.seed)
        chunk = Chunk(method, words, corpus.number, begin, rate, places, inputs, outputs)
        if len(counts) < FEWEST_WORDS:
            loss = train_serially(chunk, loss)
        elif method.skipgram:
            loss = train_ring(chunk, loss)
        else:
            loss = train_frozen_blocks(chunk, loss)
        kept += len(places)
    return Result(kept, loss)


# ---- skip-gram --------------------------------------------------------------------------------------------


@dataclass
class Block:
    pairs: list[tuple[int, int]] = field(default_factory=list)
    lonely: list[int] = field(default_factory=list)


def records(chunk: Chunk) -> dict[tuple[int, int], Block]:
    """By (input part, output part)."""
    part, blocks = chunk.words.part, defaultdict(Block)
    for centre, place in enumerate(chunk.places):
        window = chunk.window(centre)
        for other in window:
            if other == centre:
                continue
            word = chunk.places[other].word
            blocks[part[word], part[place.word]].pairs.append((word, place.word))
            n = place.position * (2 * chunk.method.window + 1) + other - window.start
            noise = pick(chunk.words.part_noise, chunk.draw(PART, n))
            blocks[part[word], noise].lonely.append(word)
    return blocks


def train_ring(chunk: Chunk, loss: float) -> float:
    blocks, losses = records(chunk), {}
    parts = len(chunk.words.noise)
    for step in range(parts):
        for i in range(parts):
            at = i, (i + step) % parts
            if at in blocks:
                losses[at] = train_block(chunk, blocks[at], *at)
    return add_up([losses[at] for at in sorted(losses)], loss)


def group_size(rate: np.float32) -> int:
    return int(np.clip(F32(MOST_DELAYED) / max(rate * rate, F32(SMALLEST)), F32(1), F32(GROUP)))


def train_block(chunk: Chunk, block: Block, input_part: int, output_part: int) -> float:
    size, loss = group_size(chunk.rate), 0.0
    pairs, lonely = len(block.pairs), len(block.lonely)
    parts = len(chunk.words.noise)
    of_block = draw(draw(chunk.key(NOISE), chunk.begin), input_part * parts + output_part)
    dealt = tiles((pick(chunk.words.noise[output_part], draw(of_block, i)) for i in count()), chunk.method.negative)
    p = n = 0
    while p < pairs or n < lonely:
        if p < pairs and (n == lonely or p * lonely <= n * pairs):
            loss = attract(chunk, block.pairs[p : p + size], loss)
            p = min(p + size, pairs)
        else:
            for _ in range(0, chunk.method.negative, TILE):
                loss = repel(chunk, block.lonely[n : n + size], next(dealt), loss)
            n = min(n + size, lonely)
    return loss


def attract(chunk: Chunk, pairs: list[tuple[int, int]], loss: float) -> float:
    inputs, outputs = chunk.inputs, chunk.outputs
    gradients, losses = chunk.pull(inputs[[i for i, _ in pairs]], outputs[[w for _, w in pairs]])
    for (i, w), g in zip(pairs, gradients, strict=True):
        x, y = inputs[i].copy(), outputs[w].copy()
        inputs[i], outputs[w] = fma(g, y, x), fma(g, x, y)
    return add_up(losses, loss)


def tiles(drawn: Iterator[int], negative: int) -> Iterator[list[int]]:
    """Different words each, TILE of them or what is left of `negative`; a word that comes again waits."""
    waiting: list[int] = []
    for dealt in cycle(range(0, negative, TILE)):
        wanted = min(negative - dealt, TILE)
        tile: list[int] = []
        before, waiting = waiting, []
        for word in before:
            (waiting if word in tile or len(tile) == wanted else tile).append(word)
        while len(tile) < wanted and len(waiting) < MOST_WAITING:
            word = next(drawn)
            (waiting if word in tile else tile).append(word)
        yield tile


def repel(chunk: Chunk, lonely: list[int], tile: list[int], loss: float) -> float:
    inputs, outputs = chunk.inputs, chunk.outputs
    before, after = outputs[tile], outputs[tile]  # two copies
    gradients, losses = chunk.push(inputs[lonely], before[:, None])  # [tile, lonely]
    for q, i in enumerate(lonely):
        x = inputs[i].copy()
        after = fma(gradients[:, q, None], x, after)
        for g, y in zip(gradients[:, q], before, strict=True):
            inputs[i] = fma(g, y, inputs[i])
    outputs[tile] = after
    return add_up(losses, loss)


# ---- continuous bag of words ------------------------------------------------------------------------------


class Term(NamedTuple):
    weight: np.float32
    vector: np.ndarray
    updates: int


def hidden_layer(chunk: Chunk, window: range, centre: int) -> np.ndarray:
    total = np.zeros(chunk.method.dim, F32)
    for other in window:
        if other != centre:
            total = total + chunk.inputs[chunk.places[other].word]
    return total * inverse_length(window) if chunk.method.mean else total


def inverse_length(window: range) -> np.float32:
    return F32(1) / F32(len(window) - 1)


def train_frozen_blocks(chunk: Chunk, loss: float) -> float:
    for first in range(0, len(chunk.places), BLOCK):
        loss = train_frozen_block(chunk, range(first, min(first + BLOCK, len(chunk.places))), loss)
    return loss


def train_frozen_block(chunk: Chunk, block: range, loss: float) -> float:
    errors: dict[int, np.ndarray] = {}  # by centre
    pulls: dict[int, Term] = {}
    pushes: list[tuple[int, Term]] = []  # by word
    groups = -(-len(block) // GROUP)
    of_block = draw(chunk.key(NOISE), chunk.places[block.start].position)
    negative = chunk.method.negative
    for j in range(groups):
        group = block[j::groups]
        noise = [pick(chunk.words.all_noise, draw(of_block, j * negative + t)) for t in range(negative)]
        found, pushed, of_group = train_group(chunk, group, noise)
        for centre, (error, pull) in found.items():
            errors[centre], pulls[centre] = error, pull
        pushes += [(word, Term(F32(1), vector, len(group))) for word, vector in zip(noise, pushed, strict=True)]
        loss += of_group

    to_inputs, to_outputs = defaultdict(list), defaultdict(list)
    for centre in sorted(errors):
        for other in chunk.window(centre):
            if other != centre:
                to_inputs[chunk.places[other].word].append(Term(F32(1), errors[centre], 1))
        to_outputs[chunk.places[centre].word].append(pulls[centre])
    for word, term in pushes:
        to_outputs[word].append(term)
    for matrix, changes in ((chunk.inputs, to_inputs), (chunk.outputs, to_outputs)):
        for word, terms in changes.items():
            matrix[word] = changed(matrix[word], terms, most_updates(chunk.rate))
    return loss


def train_group(
    chunk: Chunk, group: range, noise: list[int]
) -> tuple[dict[int, tuple[np.ndarray, Term]], np.ndarray, float]:
    """What centres have for the words of their windows and for their own, what the noise is given [negative, dim],
    and the loss."""
    windows = {c: chunk.window(c) for c in group}
    centres = [c for c in group if len(windows[c]) > 1]
    pushed = np.zeros((len(noise), chunk.method.dim), F32)
    if not centres:
        return {}, pushed, 0.0
    hidden = np.array([hidden_layer(chunk, windows[c], c) for c in centres])
    targets = chunk.outputs[[chunk.places[c].word for c in centres]]
    pull, losses = chunk.pull(hidden, targets)
    loss = add_up(losses)
    error = pull[:, None] * targets
    opposed = chunk.outputs[noise]
    push, losses = chunk.push(hidden, opposed[:, None])  # [negative, centres]
    loss = add_up(losses, loss)
    for g, y in zip(push, opposed, strict=True):
        error = fma(g[:, None], y, error)
    for q, h in enumerate(hidden):
        pushed = fma(push[:, q, None], h, pushed)
    if chunk.method.divided:
        error = error * np.array([inverse_length(windows[c]) for c in centres])[:, None]
    found = {c: (error[q], Term(pull[q], hidden[q], 1)) for q, c in enumerate(centres)}
    return found, pushed, loss


def most_updates(rate: np.float32) -> np.float32:
    return np.floor(np.clip(F32(MOST_CHANGE) / max(rate, F32(SMALLEST)), F32(1), F32(MOST_UPDATES)))


def changed(row: np.ndarray, terms: list[Term], most: np.float32) -> np.ndarray:
    total = np.zeros_like(row)
    for term in terms:
        total = fma(term.weight, term.vector, total)
    updates = F32(sum(term.updates for term in terms))
    return fma(most / max(updates, most), total, row)


# ---- few words --------------------------------------------------------------------------------------------


def train_serially(chunk: Chunk, loss: float) -> float:
    inputs, method = chunk.inputs, chunk.method
    for centre, place in enumerate(chunk.places):
        window = chunk.window(centre)
        if len(window) == 1:
            continue
        draws = place.position * (2 * method.window + 1) * method.negative
        context = [chunk.places[other].word for other in window if other != centre]
        if method.skipgram:
            others = [other for other in window if other != centre]
            for word, other in zip(context, others, strict=True):
                of_pair = draws + (other - window.start) * method.negative
                error, loss = learn(chunk, inputs[word], place.word, of_pair, loss)
                inputs[word] = inputs[word] + error
        else:
            error, loss = learn(chunk, hidden_layer(chunk, window, centre), place.word, draws, loss)
            if method.divided:
                error = error * inverse_length(window)
            for word in context:
                inputs[word] = inputs[word] + error
    return loss


def learn(chunk: Chunk, hidden: np.ndarray, word: int, draws: int, loss: float) -> tuple[np.ndarray, float]:
    noise = [pick(chunk.words.all_noise, chunk.draw(NOISE, draws + t)) for t in range(chunk.method.negative)]
    error = np.zeros_like(hidden)
    for target in [word, *(other for other in noise if other != word)]:
        y = chunk.outputs[target].copy()
        g, of_target = (chunk.pull if target == word else chunk.push)(hidden, y)
        error = fma(g, y, error)
        chunk.outputs[target] = fma(g, hidden, y)
        loss = add_up(of_target, loss)
    return error, loss
