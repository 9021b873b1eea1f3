// The table of an instruction set. Included last, inside an anonymous namespace, by the file of each: it
// takes what the bodies before it define. All of it is constant, so that loading the library runs no code of
// any.

// The integer profiles by products of 16 bits, which every instruction set has.
constexpr IntKernels i16_of_16_bits = {2, Dot16::group, quantise<Symmetric, int16_t>,
                                       int_product<Dot16, false>, int_attention<Dot16, WeightsOfI16>};
constexpr IntKernels i8_of_16_bits = {2, Dot16::group, quantise<FromLow, int16_t>, int_product<Dot16, true>,
                                      int_attention<Dot16, WeightsOfI8>};

constexpr Kernels table(const char* isa, const IntKernels& i16 = i16_of_16_bits,
                        const IntKernels& i8 = i8_of_16_bits) {
    return {isa,        tile_vecs * lanes, matmul,         softmax,      add_layer_norm,
            add_arrays, mean_pooling,      max_pooling,    l2_normalize, dots,
            map,        fma_arrays,        words::kernels, i16,          i8};
}
