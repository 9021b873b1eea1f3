#include "serial.h"

namespace idembed {

Serial::Serial(int64_t stride, int negative, bool skipgram)
    : stride_(stride),
      skipgram_(skipgram),
      targets_(static_cast<size_t>(negative) + 1),
      hidden_(stride),
      error_(stride) {}

void Serial::train(const Lesson& lesson, const Member& member) {
    sample_.fill(lesson.pass, lesson.words, lesson.begin, lesson.end, member);
    if (member.rank == 0) {
        for (uint32_t place = 0; place < sample_.size(); ++place) train_centre(lesson, place);
    }
    member.wait();
}

void Serial::train_centre(const Lesson& lesson, uint32_t place) {
    const WordKernels& kernels = lesson.kernels.words;
    const uint32_t* const words = sample_.words();
    const Window window = sample_.window(place, lesson.pass, lesson.windows);
    if (window.first == window.last) return;
    const uint64_t places = 2 * static_cast<uint64_t>(lesson.windows.reach) + 1;
    const uint64_t draws = sample_.position(place) * places * static_cast<uint64_t>(lesson.negative);
    float* const inputs = lesson.matrices.inputs;
    if (skipgram_) {
        for (uint32_t other = window.first; other <= window.last; ++other) {
            if (other == place) continue;
            float* const row = inputs + words[other] * stride_;
            learn(lesson, row, words[place],
                  draws + (other - window.first) * static_cast<uint64_t>(lesson.negative));
            kernels.accumulate(row, error_.data(), stride_);
        }
        return;
    }
    const float share = 1.0f / static_cast<float>(window.last - window.first);
    kernels.gather(inputs, stride_, words, window, place, hidden_.data());
    if (lesson.mean) kernels.scale(hidden_.data(), share, stride_);
    learn(lesson, hidden_.data(), words[place], draws);
    if (lesson.divided) kernels.scale(error_.data(), share, stride_);
    for (uint32_t other = window.first; other <= window.last; ++other) {
        if (other != place) kernels.accumulate(inputs + words[other] * stride_, error_.data(), stride_);
    }
}

// error_ becomes what `hidden` is to be given for having seen `centre`, and not what the noise offers.
void Serial::learn(const Lesson& lesson, const float* hidden, uint32_t centre, uint64_t first_draw) {
    const Noise noise = lesson.words.noise.of(0);
    Step step;
    step.outputs = lesson.matrices.outputs;
    step.stride = stride_;
    step.hidden = hidden;
    step.error = error_.data();
    step.targets = targets_.data();
    step.count = 1;
    step.rate = lesson.rate;
    step.loss = lesson.loss;
    targets_[0] = centre;
    for (int i = 0; i < lesson.negative; ++i) {
        const uint32_t word = pick(noise, draw(lesson.pass.noise_key, first_draw + static_cast<uint64_t>(i)));
        if (word != centre) targets_[static_cast<size_t>(step.count++)] = word;
    }
    lesson.kernels.words.learn(step);
}

}  // namespace idembed
