// How tiles of a matrix product are made, in floats and in whole numbers. Included inside an anonymous
// namespace, behind tile_rows.

#ifndef IDEMBED_TILE_SHAPE_H
#define IDEMBED_TILE_SHAPE_H

#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define UNROLL _Pragma("GCC unroll 16")
#else
#define UNROLL
#endif

// How many of the remaining rows the next tile takes. A last tile of 1 or 2 rows would waste its loads of b,
// so it shares with the tile before.
inline int64_t rows_of_tile(int64_t left) {
    if (left <= tile_rows) return left;
    return tile_rows > 2 && left < tile_rows + 3 ? (left + 1) / 2 : tile_rows;
}

#endif
