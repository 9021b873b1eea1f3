// Training's kernels, once, over `Vec` (16 lanes) and `Strip` (as many floats as suit this instruction set
// when nothing is summed across lanes; 16 is a multiple of it). Included behind kernels_body.h by the file of
// each instruction set, which defines besides what is listed there:
//
//   Strip, strip_floats, load_strip, broadcast_strip, store, fma
//   quarters(a, b, c, d): the first two levels of the tree (lane l + 8, l + 4) for four Vecs at once; lanes
//       4 r .. 4 r + 3 belong to the r-th
//   joined(a, b, c, d): the last two levels; lane 4 r + i is the r-th sum of the i-th argument
//   dot_rows: rows of a tile of dot products whose accumulators fit the registers
//   prefetch_row: into the first cache
//
// A group of records is 16 of them or fewer: all dot products first, then one logistic function for all
// lanes, then every update in order. docs/word2vec-arithmetic.md defines every step.

namespace words {

constexpr int most_targets = 5;  // negative words in a tile; more of them make several tiles

// 1 / (1 + exp(-z))
inline Vec logistic(Vec z) {
    const Vec one = broadcast(1.0f);
    return divide(one, add(one, exp(subtract(broadcast(0.0f), z))));
}

// log(1 + exp(z)) = max(z, 0) + log(1 + t), t = exp(-|z|), by the series of 2 artanh(t / (2 + t)).
inline Vec softplus(Vec z) {
    const Vec t = exp(subtract(broadcast(0.0f), absolute(z)));
    const Vec u = divide(t, add(broadcast(2.0f), t)), square = multiply(u, u);
    Vec p = broadcast(2.0f / 11);
    p = horner(p, square, 2.0f / 9);
    p = horner(p, square, 2.0f / 7);
    p = horner(p, square, 2.0f / 5);
    p = horner(p, square, 2.0f / 3);
    p = horner(p, square, 2.0f);
    return fma(p, u, maximum(z, broadcast(0.0f)));
}

// Adds the first `count` lanes to a sum in double, in order.
inline void add_loss(double* loss, Vec x, int count) {
    alignas(64) float lane[lanes];
    store(lane, x);
    for (int i = 0; i < count; ++i) *loss += lane[i];
}

// dots[t] lane q = dot(x[q], y[t])
template <int T>
inline void dot_tile(const float* const* x, const float* const* y, int64_t stride, Vec* dots) {
    constexpr int R = dot_rows;
    Vec part[T][4];
    for (int g = 0; g < 4; ++g) {
        Vec dot[T][4];
        UNROLL for (int first_row = 0; first_row < 4; first_row += R) {
            Vec acc[R][T];
            UNROLL for (int r = 0; r < R; ++r) {
                UNROLL for (int t = 0; t < T; ++t) acc[r][t] = broadcast(0.0f);
            }
            const float* row[R];
            UNROLL for (int r = 0; r < R; ++r) row[r] = x[4 * (first_row + r) + g];
            for (int64_t k = 0; k < stride; k += lanes) {
                Vec v[R];
                UNROLL for (int r = 0; r < R; ++r) v[r] = load(row[r] + k);
                UNROLL for (int t = 0; t < T; ++t) {
                    const Vec w = load(y[t] + k);
                    UNROLL for (int r = 0; r < R; ++r) acc[r][t] = fma(v[r], w, acc[r][t]);
                }
            }
            UNROLL for (int r = 0; r < R; ++r) {
                UNROLL for (int t = 0; t < T; ++t) dot[t][first_row + r] = acc[r][t];
            }
        }
        UNROLL for (int t = 0; t < T; ++t) part[t][g] = quarters(dot[t][0], dot[t][1], dot[t][2], dot[t][3]);
    }
    UNROLL for (int t = 0; t < T; ++t) dots[t] = joined(part[t][0], part[t][1], part[t][2], part[t][3]);
}

// Lane q = dot(x[q], y[q])
inline Vec dot_pairs(const float* const* x, const float* const* y, int64_t stride) {
    Vec part[4];
    UNROLL for (int g = 0; g < 4; ++g) {
        const float *x0 = x[g], *x1 = x[g + 4], *x2 = x[g + 8], *x3 = x[g + 12];
        const float *y0 = y[g], *y1 = y[g + 4], *y2 = y[g + 8], *y3 = y[g + 12];
        Vec d0 = broadcast(0.0f), d1 = d0, d2 = d0, d3 = d0;
        for (int64_t k = 0; k < stride; k += lanes) {
            d0 = fma(load(x0 + k), load(y0 + k), d0);
            d1 = fma(load(x1 + k), load(y1 + k), d1);
            d2 = fma(load(x2 + k), load(y2 + k), d2);
            d3 = fma(load(x3 + k), load(y3 + k), d3);
        }
        part[g] = quarters(d0, d1, d2, d3);
    }
    return joined(part[0], part[1], part[2], part[3]);
}

// ---- skip-gram ----

// Sees `count` pairs: both rows of each move towards one another.
inline void attract(const SkipgramBlock& b, const Pair* pairs, int count) {
    float *x[most_in_group], *y[most_in_group];
    const int64_t stride = b.matrices.stride;
    for (int q = 0; q < most_in_group; ++q) {
        const Pair pair = pairs[q < count ? q : 0];
        x[q] = b.matrices.inputs + pair.input * stride;
        y[q] = b.matrices.outputs + pair.output * stride;
    }
    const Vec dots = dot_pairs(x, y, stride);
    const Vec away = subtract(broadcast(0.0f), dots);
    alignas(64) float gradient[lanes];
    store(gradient, multiply(broadcast(b.rate), logistic(away)));
    if (b.loss) add_loss(b.loss, softplus(away), count);
    for (int q = 0; q < count; ++q) {
        const Strip g = broadcast_strip(gradient[q]);
        float *const xq = x[q], *const yq = y[q];
        for (int64_t k = 0; k < stride; k += strip_floats) {
            const Strip u = load_strip(xq + k), v = load_strip(yq + k);
            store(xq + k, fma(g, v, u));
            store(yq + k, fma(g, u, v));
        }
    }
}

// Rows x[q] and y[t] as they are: x[q] is given gradient[t][q] y[t] for every t, y[t] gradient[t][q] x[q] for
// every q. The y are different rows, for each is loaded and stored once.
template <int T>
inline void exchange(float* const* x, int count, float* const* y, const float (*gradient)[lanes],
                     int64_t stride) {
    for (int64_t k = 0; k < stride; k += strip_floats) {
        Strip w[T], sum[T];
        UNROLL for (int t = 0; t < T; ++t) w[t] = sum[t] = load_strip(y[t] + k);
        for (int q = 0; q < count; ++q) {
            const Strip u = load_strip(x[q] + k);
            Strip moved = u;
            UNROLL for (int t = 0; t < T; ++t) {
                const Strip g = broadcast_strip(gradient[t][q]);
                moved = fma(g, w[t], moved);
                sum[t] = fma(g, u, sum[t]);
            }
            store(x[q] + k, moved);
        }
        UNROLL for (int t = 0; t < T; ++t) store(y[t] + k, sum[t]);
    }
}

inline void prefetch_rows(const float* row, int64_t stride) {
    for (int64_t k = 0; k < stride; k += lanes) prefetch_row(row + k);
}

// The outputs that one tile pushes away: different rows.
struct Tile {
    float* row[most_targets];
    int size;
};

// Deals the words of a block's noise to tiles, in the order in which they are drawn. A word that a tile has
// already waits for the next one: pushed twice by the same gradients, a row would run away. No more than
// most_waiting do; where a few words are most of the noise, a tile is then smaller.
class Dealer {
  public:
    explicit Dealer(const SkipgramBlock& block) : block_(block), owed_(block.negative) {}

    // The next tile: most_targets words or, for the last tile of a group, what is left of block.negative.
    Tile next() {
        const int wanted = owed_ < most_targets ? owed_ : most_targets;
        owed_ = owed_ > wanted ? owed_ - wanted : block_.negative;
        Tile tile;
        tile.size = 0;
        int still = 0;
        for (int i = 0; i < n_waiting_; ++i) {
            if (tile.size == wanted || !add(tile, waiting_[i])) waiting_[still++] = waiting_[i];
        }
        n_waiting_ = still;
        while (tile.size < wanted && n_waiting_ < most_waiting) {
            const uint32_t word = pick(block_.noise, draw(block_.key, drawn_));
            prefetch_row(&column_of(block_.noise, draw(block_.key, drawn_ + ahead)));
            ++drawn_;
            if (!add(tile, word)) waiting_[n_waiting_++] = word;
        }
        return tile;
    }

  private:
    static constexpr int most_waiting = 8, ahead = 8;

    bool add(Tile& tile, uint32_t word) const {
        float* const row = block_.matrices.outputs + word * block_.matrices.stride;
        for (int t = 0; t < tile.size; ++t) {
            if (tile.row[t] == row) return false;
        }
        prefetch_rows(row, block_.matrices.stride);
        tile.row[tile.size++] = row;
        return true;
    }

    const SkipgramBlock& block_;
    uint64_t drawn_ = 0;
    int owed_;  // words that the present group has yet to be dealt
    int n_waiting_ = 0;
    uint32_t waiting_[most_waiting];
};

// Pushes `count` inputs and the T outputs of a tile away from one another.
template <int T>
void repel(const SkipgramBlock& b, float* const* x, int count, const Tile& tile) {
    Vec dots[T];
    dot_tile<T>(x, tile.row, b.matrices.stride, dots);
    alignas(64) float gradient[T][lanes];
    for (int t = 0; t < T; ++t) {
        store(gradient[t], multiply(broadcast(-b.rate), logistic(dots[t])));
        if (b.loss) add_loss(b.loss, softplus(dots[t]), count);
    }
    exchange<T>(x, count, tile.row, gradient, b.matrices.stride);
}

inline void repel(const SkipgramBlock& b, float* const* x, int count, const Tile& tile) {
    switch (tile.size) {
        case 1:
            return repel<1>(b, x, count, tile);
        case 2:
            return repel<2>(b, x, count, tile);
        case 3:
            return repel<3>(b, x, count, tile);
        case 4:
            return repel<4>(b, x, count, tile);
        default:
            return repel<5>(b, x, count, tile);
    }
}

void skipgram(const SkipgramBlock& b) {
    const Matrices& m = b.matrices;
    int64_t p = 0, n = 0;
    Dealer dealer(b);
    Tile dealt = dealer.next();
    while (p < b.n_pairs || n < b.n_lonely) {
        if (p < b.n_pairs && (n >= b.n_lonely || p * b.n_lonely <= n * b.n_pairs)) {
            const int64_t left = b.n_pairs - p;
            const int count = static_cast<int>(left < b.group ? left : b.group);
            const Pair* const pairs = b.pairs + p;
            p += count;
            for (int64_t i = p; i < b.n_pairs && i < p + b.group; ++i) {
                prefetch_rows(m.inputs + b.pairs[i].input * m.stride, m.stride);
                prefetch_rows(m.outputs + b.pairs[i].output * m.stride, m.stride);
            }
            attract(b, pairs, count);
        } else {
            const int64_t left = b.n_lonely - n;
            const int count = static_cast<int>(left < b.group ? left : b.group);
            float* x[most_in_group];
            for (int q = 0; q < most_in_group; ++q)
                x[q] = m.inputs + b.lonely[n + (q < count ? q : 0)] * m.stride;
            n += count;
            for (int64_t i = n; i < b.n_lonely && i < n + b.group; ++i) {
                prefetch_rows(m.inputs + b.lonely[i] * m.stride, m.stride);
            }
            for (int words = 0; words < b.negative; words += most_targets) {
                const Tile tile = dealt;
                dealt = dealer.next();  // early, so that their rows are on their way
                repel(b, x, count, tile);
            }
        }
    }
}

// ---- continuous bag of words ----

template <int W>
inline void add_window(const float* rows, int64_t stride, const uint32_t* words, Window window,
                       uint32_t centre, float* sum) {
    Vec acc[W];
    UNROLL for (int v = 0; v < W; ++v) acc[v] = broadcast(0.0f);
    for (uint32_t place = window.first; place <= window.last; ++place) {
        if (place == centre) continue;
        const float* const row = rows + words[place] * stride;
        UNROLL for (int v = 0; v < W; ++v) acc[v] = add(acc[v], load(row + v * lanes));
    }
    UNROLL for (int v = 0; v < W; ++v) store(sum + v * lanes, acc[v]);
}

void add_window(const float* rows, int64_t stride, const uint32_t* words, Window window, uint32_t centre,
                float* sum) {
    int64_t k = 0;
    for (; k + 4 * lanes <= stride; k += 4 * lanes)
        add_window<4>(rows + k, stride, words, window, centre, sum + k);
    switch ((stride - k) / lanes) {
        case 3:
            return add_window<3>(rows + k, stride, words, window, centre, sum + k);
        case 2:
            return add_window<2>(rows + k, stride, words, window, centre, sum + k);
        case 1:
            return add_window<1>(rows + k, stride, words, window, centre, sum + k);
        default:
            return;
    }
}

void scale_row(float* row, float factor, int64_t n) {
    const Vec f = broadcast(factor);
    for (int64_t k = 0; k < n; k += lanes) store(row + k, multiply(f, load(row + k)));
}

void accumulate_row(float* row, const float* addend, int64_t n) {
    for (int64_t k = 0; k < n; k += lanes) store(row + k, add(load(row + k), load(addend + k)));
}

template <int T>
void push_apart(const CbowGroup& g, float* const* hidden, float* const* error, int count, int first) {
    const int64_t stride = g.matrices.stride;
    float *y[T], *push[T];
    for (int t = 0; t < T; ++t) {
        y[t] = g.matrices.outputs + g.negatives[first + t] * stride;
        push[t] = g.pushes + (first + t) * stride;
    }
    Vec dots[T];
    dot_tile<T>(hidden, y, stride, dots);
    alignas(64) float gradient[T][lanes];
    for (int t = 0; t < T; ++t) {
        store(gradient[t], multiply(broadcast(-g.rate), logistic(dots[t])));
        if (g.loss) add_loss(g.loss, softplus(dots[t]), count);
    }
    for (int64_t k = 0; k < stride; k += strip_floats) {
        Strip w[T], sum[T];
        UNROLL for (int t = 0; t < T; ++t) {
            w[t] = load_strip(y[t] + k);
            sum[t] = broadcast_strip(0.0f);
        }
        for (int q = 0; q < count; ++q) {
            const Strip u = load_strip(hidden[q] + k);
            Strip moved = load_strip(error[q] + k);
            UNROLL for (int t = 0; t < T; ++t) {
                const Strip c = broadcast_strip(gradient[t][q]);
                moved = fma(c, w[t], moved);
                sum[t] = fma(c, u, sum[t]);
            }
            store(error[q] + k, moved);
        }
        UNROLL for (int t = 0; t < T; ++t) store(push[t] + k, sum[t]);
    }
}

void cbow(const CbowGroup& g) {
    const int64_t stride = g.matrices.stride;
    float *hidden[most_in_group], *error[most_in_group], *target[most_in_group];
    uint32_t centre[most_in_group];
    int count = 0;
    for (uint32_t c = g.begin; c < g.end; c += g.step) {
        if (g.windows[c].first < g.windows[c].last) centre[count++] = c;
    }
    if (count == 0) {
        for (int64_t k = 0; k < g.negative * stride; k += lanes) store(g.pushes + k, broadcast(0.0f));
        return;
    }
    for (int q = 0; q < most_in_group; ++q) {
        const uint32_t c = centre[q < count ? q : 0];
        hidden[q] = g.hidden + c * stride;
        error[q] = g.errors + c * stride;
        target[q] = g.matrices.outputs + g.words[g.first_place + c] * stride;
    }
    for (int q = 0; q < count; ++q) {
        const Window window = g.windows[centre[q]];
        add_window(g.matrices.inputs, stride, g.words, window, g.first_place + centre[q], hidden[q]);
        if (g.mean) scale_row(hidden[q], 1.0f / static_cast<float>(window.last - window.first), stride);
    }
    const Vec away = subtract(broadcast(0.0f), dot_pairs(hidden, target, stride));
    alignas(64) float gradient[lanes];
    store(gradient, multiply(broadcast(g.rate), logistic(away)));
    if (g.loss) add_loss(g.loss, softplus(away), count);
    for (int q = 0; q < count; ++q) {
        g.pulls[centre[q]] = gradient[q];
        const Vec c = broadcast(gradient[q]);
        for (int64_t k = 0; k < stride; k += lanes) store(error[q] + k, multiply(c, load(target[q] + k)));
    }
    for (int first = 0; first < g.negative; first += most_targets) {
        switch (g.negative - first) {
            case 1:
                push_apart<1>(g, hidden, error, count, first);
                break;
            case 2:
                push_apart<2>(g, hidden, error, count, first);
                break;
            case 3:
                push_apart<3>(g, hidden, error, count, first);
                break;
            case 4:
                push_apart<4>(g, hidden, error, count, first);
                break;
            default:
                push_apart<5>(g, hidden, error, count, first);
        }
    }
    if (g.divided) {
        for (int q = 0; q < count; ++q) {
            const Window window = g.windows[centre[q]];
            scale_row(error[q], 1.0f / static_cast<float>(window.last - window.first), stride);
        }
    }
}

template <int W>
inline void add_terms(const Addition& a, int64_t k) {
    Vec sum[W];
    UNROLL for (int v = 0; v < W; ++v) sum[v] = broadcast(0.0f);
    for (int64_t i = 0; i < a.count; ++i) {
        const float* const term = a.from + a.terms[i] * a.stride + k;
        const Vec weight = broadcast(a.weights ? a.weights[a.terms[i]] : 1.0f);
        UNROLL for (int v = 0; v < W; ++v) sum[v] = fma(weight, load(term + v * lanes), sum[v]);
    }
    const Vec scale = broadcast(a.scale);
    UNROLL for (int v = 0; v < W; ++v) {
        store(a.row + k + v * lanes, fma(scale, sum[v], load(a.row + k + v * lanes)));
    }
}

void add_to_row(const Addition& a) {
    int64_t k = 0;
    for (; k + 4 * lanes <= a.stride; k += 4 * lanes) add_terms<4>(a, k);
    switch ((a.stride - k) / lanes) {
        case 3:
            return add_terms<3>(a, k);
        case 2:
            return add_terms<2>(a, k);
        case 1:
            return add_terms<1>(a, k);
        default:
            return;
    }
}

// ---- one after the other ----

void learn(const Step& s) {
    for (int64_t k = 0; k < s.stride; k += lanes) store(s.error + k, broadcast(0.0f));
    for (int t = 0; t < s.count; ++t) {
        float* const y = s.outputs + s.targets[t] * s.stride;
        Vec acc = broadcast(0.0f);
        for (int64_t k = 0; k < s.stride; k += lanes) acc = fma(load(s.hidden + k), load(y + k), acc);
        const float dot = sum(acc), seen = t == 0 ? -dot : dot;
        const Vec z = broadcast(seen);
        alignas(64) float gradient[lanes];
        store(gradient, multiply(broadcast(t == 0 ? s.rate : -s.rate), logistic(z)));
        if (s.loss) add_loss(s.loss, softplus(z), 1);
        const Strip g = broadcast_strip(gradient[0]);
        for (int64_t k = 0; k < s.stride; k += strip_floats) {
            const Strip u = load_strip(s.hidden + k), v = load_strip(y + k);
            store(s.error + k, fma(g, v, load_strip(s.error + k)));
            store(y + k, fma(g, u, v));
        }
    }
}

constexpr WordKernels kernels = {skipgram, cbow, add_to_row, learn, add_window, scale_row, accumulate_row};

}  // namespace words
