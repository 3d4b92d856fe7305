// Random numbers by the lane: Philox-4x32-10 (Salmon, Moraes, Dror, Shaw, SC'11), eight counters
// side by side, and normal variates by Box and Muller. Plain IEEE + - * / sqrt in one order: the
// same bits under every instruction set. Knows lanes only.
#pragma once

#include <cmath>
#include <cstdint>

#include "hermiteflow/lanes.hpp"
#include "hermiteflow/types.hpp"

namespace hermiteflow::HF_ISA {

inline constexpr int draw_counters = 8;  // of a group
inline constexpr Index draw_group = 16;  // their normals
// A group in as many parts as it takes of whole registers.
inline constexpr int draw_lanes = packet_lanes, draw_parts = draw_counters / draw_lanes;
using Words = std::uint64_t __attribute__((vector_size(8 * draw_lanes)));
using Draws = Real<draw_lanes>;

// a times a constant, the low 32 bits of each; what stands above them does not matter.
HF_INLINE Words wide_product(const Words& a, std::uint32_t constant) {
#if defined(__AVX512F__)
  return (Words)_mm512_mul_epu32((__m512i)a, _mm512_set1_epi64(constant));
#elif defined(__AVX2__)
  return (Words)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi64x(constant));
#elif defined(__SSE2__)
  return (Words)_mm_mul_epu32((__m128i)a, _mm_set1_epi64x(constant));
#else
  return (a & 0xFFFFFFFFULL) * static_cast<std::uint64_t>(constant);
#endif
}

// The high 32 bits of each in the low ones; what stands above does not matter. Shuffles have a port
// of their own.
HF_INLINE Words high_half(const Words& a) {
#if defined(__AVX512F__)
  return (Words)_mm512_shuffle_epi32((__m512i)a, _MM_PERM_DDBB);
#elif defined(__AVX2__)
  return (Words)_mm256_shuffle_epi32((__m256i)a, 0xF5);
#else
  return a >> 32;
#endif
}

// Of each lane; two numbers of 64 bits come from each.
struct Counters {
  Words at[4];  // 32 bits each
};

// Both words of the key in each round; in memory, since spreading one from there costs nothing.
struct RoundKeys {
  std::uint64_t at[20];
  explicit RoundKeys(const std::uint32_t key[2]) {
    for (std::uint32_t round = 0; round < 10; ++round) {
      at[2 * round] = key[0] + round * 0x9E3779B9u;
      at[2 * round + 1] = key[1] + round * 0xBB67AE85u;
    }
  }
};

HF_INLINE void philox(const Counters& counters, const RoundKeys& keys, Words& first,
                      Words& second) {
  Words c0 = counters.at[0], c1 = counters.at[1], c2 = counters.at[2], c3 = counters.at[3];
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    const Words p0 = wide_product(c0, 0xD2511F53u), p1 = wide_product(c2, 0xCD9E8D57u);
    c0 = high_half(p1) ^ c1 ^ keys.at[2 * round];
    c2 = high_half(p0) ^ c3 ^ keys.at[2 * round + 1];
    c1 = p1;
    c3 = p0;
  }
  constexpr std::uint64_t low = 0xFFFFFFFFULL;
  first = (c0 & low) | (c1 << 32);
  second = (c2 & low) | (c3 << 32);
}

// In (0, 1), from the 52 highest bits.
HF_INLINE Draws uniforms(const Words& bits) {
  return (Draws)((bits >> 12) | 0x3FF0000000000000ULL) - (1.0 - 0x1p-53);
}

// -2 log u, 0 < u < 1: u = 2^e f with f in [1/sqrt 2, sqrt 2), log f = 2 atanh((f - 1)/(f + 1)).
HF_INLINE Draws minus_two_logs(const Draws& u) {
  const Words bits = (Words)u;
  constexpr std::uint64_t one = 0x3FF0000000000000ULL, root = 0x3FE6A09E667F3BCDULL;  // sqrt(1/2)
  // exponent of u / sqrt(1/2), still biased
  const Words shifted = bits + (one - root);
  const Words exponent = shifted >> 52;
  const Draws f = (Draws)((shifted & 0x000FFFFFFFFFFFFFULL) + root);
  // the whole number exponent - 1023 as a double, by the bits of 2^52
  const Draws e = (Draws)(exponent | 0x4330000000000000ULL) - (0x1p52 + 1023.0);
  const Draws s = (f - 1.0) / (f + 1.0), s2 = s * s;
  // (atanh(s) / s - 1) / s^2 for s^2 < 0.0295, by Chebyshev's nodes: right to 1e-13, since u itself
  // is known to 2^-41
  constexpr double c[] = {0.33333333333687715, 0.19999999398440554, 0.14285877314555742,
                          0.11095697456759207, 0.09681384335192404};
  Draws sum = s2 * c[4];
#pragma GCC unroll 4
  for (int i = 3; i >= 0; --i) sum = (sum + c[i]) * s2;
  return e * -1.3862943611198906 - 4.0 * (s + s * sum);
}

HF_INLINE Draws roots(const Draws& x) {
  Draws out;
  for (int l = 0; l < draw_lanes; ++l) out[l] = __builtin_sqrt(x[l]);
  return out;
}

// A uniform direction of the plane from the 24 lowest bits: an angle in (0, pi/4), in the middle of
// one of 2^21 cells, two signs, and which of cosine and sine comes first. Polynomials of degree
// below 2^24 have the mean that they have over the circle.
HF_INLINE void directions(const Words& word, Draws& x, Draws& y) {
  const Words cell = ((word << 28) & 0x000FFFFF80000000ULL) | 0x3FF0000040000000ULL;
  const Draws angle = ((Draws)cell - 1.0) * 0.78539816339744831;
  const Draws z = angle * angle;
  // (sin(x) / x - 1) / z and (cos(x) - 1) / z, z = x^2, by Chebyshev's nodes: right to 3e-13
  constexpr double of_sine[] = {-0.16666666666663885, 0.008333333331079223, -0.00019841266916985966,
                                2.755599092956532e-06, -2.4805636241834762e-08};
  constexpr double of_cosine[] = {-0.4999999999996389, 0.04166666663739607, -0.00138888850913992,
                                  2.4799862190148396e-05, -2.7237140418016e-07};
  Draws s = z * of_sine[4], c = z * of_cosine[4];
#pragma GCC unroll 4
  for (int i = 3; i >= 0; --i) {
    s = (s + of_sine[i]) * z;
    c = (c + of_cosine[i]) * z;
  }
  s = angle + angle * s;
  c = 1.0 + c;
  const auto swap = (word & 1) != 0;
  const Words a = (Words)(swap ? s : c) ^ ((word << 62) & 0x8000000000000000ULL),
              b = (Words)(swap ? c : s) ^ ((word << 61) & 0x8000000000000000ULL);
  x = (Draws)a;
  y = (Draws)b;
}

// The radius of two normal numbers from the 40 highest bits, at most 7.54; its square has mean 2 to
// 1e-12.
HF_INLINE Draws radii(const Words& word) {
  const Words cell = ((word >> 12) & 0x000FFFFFFFFFF000ULL) | 0x3FF0000000000800ULL;
  return roots(minus_two_logs((Draws)cell - 1.0));
}

// Two independent normal numbers a lane.
HF_INLINE void box_muller(const Words& word, Draws& x, Draws& y) {
  const Draws radius = radii(word);
  directions(word, x, y);
  x *= radius;
  y *= radius;
}

HF_INLINE Words spread(std::uint64_t value) { return Words{} + value; }
HF_INLINE Words lane_numbers() {
  Words out;
  for (int l = 0; l < draw_lanes; ++l) out[l] = static_cast<std::uint64_t>(l);
  return out;
}

// Normals of sample `sample`: out (groups * draw_group). Groups 2 g and 2 g + 1 come from the first
// and the second words of counters 8 g .. 8 g + 7; `first` is even.
inline void draw_normals(const RoundKeys& key, std::uint32_t tag, std::uint64_t sample, Index first,
                         Index groups, double* out) {
  Counters counters;
  counters.at[0] = lane_numbers() + static_cast<std::uint64_t>(first / 2 * draw_counters);
  counters.at[1] = spread(sample & 0xFFFFFFFFULL);
  counters.at[2] = spread(sample >> 32);
  counters.at[3] = spread(tag);
  constexpr Index most = 8;
  Words word[2][most];
  const Index parts = (groups + 1) / 2 * draw_parts;
  for (Index begin = 0; begin < parts; begin += most) {
    const Index count = parts - begin < most ? parts - begin : most;
    for (Index i = 0; i < count; ++i) {
      philox(counters, key, word[0][i], word[1][i]);
      counters.at[0] += static_cast<std::uint64_t>(draw_lanes);
    }
    for (Index i = 0; i < 2 * count; ++i) {
      const Index part = begin + i / 2, group = part / draw_parts * 2 + i % 2;
      if (group >= groups) continue;  // the last group may be alone
      Draws x, y;
      box_muller(word[i % 2][i / 2], x, y);
      double* const to = out + group * draw_group + part % draw_parts * draw_lanes;
      std::memcpy(to, &x, sizeof x);
      std::memcpy(to + draw_counters, &y, sizeof y);
    }
  }
}

// 16 numbers in (0, 1) of a sample.
inline void draw_uniforms(const RoundKeys& key, std::uint32_t tag, std::uint64_t sample,
                          double* out) {
  Counters counters;
  counters.at[0] = lane_numbers();
  counters.at[1] = spread(sample & 0xFFFFFFFFULL);
  counters.at[2] = spread(sample >> 32);
  counters.at[3] = spread(tag);
  for (int i = 0; i < draw_parts; ++i, out += draw_lanes) {
    Words one, two;
    philox(counters, key, one, two);
    const Draws x = uniforms(one), y = uniforms(two);
    std::memcpy(out, &x, sizeof x);
    std::memcpy(out + draw_counters, &y, sizeof y);
    counters.at[0] += static_cast<std::uint64_t>(draw_lanes);
  }
}

}  // namespace hermiteflow::HF_ISA
