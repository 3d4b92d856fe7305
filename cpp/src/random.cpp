#include "hermiteflow/random.hpp"

#include <cmath>
#include <cstring>

namespace hermiteflow {

namespace {

constexpr std::uint64_t multiplier0 = 0xD2E7470EE14C6C93ULL;
constexpr std::uint64_t multiplier1 = 0xCA5A826395121157ULL;
constexpr std::uint64_t weyl0 = 0x9E3779B97F4A7C15ULL;
constexpr std::uint64_t weyl1 = 0xBB67AE8584CAA73BULL;

struct Product {
  std::uint64_t high, low;
};

Product multiply(std::uint64_t a, std::uint64_t b) {
#if defined(__SIZEOF_INT128__)
  __extension__ using Wide = unsigned __int128;
  const Wide p = static_cast<Wide>(a) * b;
  return {static_cast<std::uint64_t>(p >> 64), static_cast<std::uint64_t>(p)};
#else
  const std::uint64_t a0 = a & 0xFFFFFFFF, a1 = a >> 32, b0 = b & 0xFFFFFFFF, b1 = b >> 32;
  const std::uint64_t p00 = a0 * b0, p01 = a0 * b1, p10 = a1 * b0, p11 = a1 * b1;
  const std::uint64_t middle = (p00 >> 32) + (p01 & 0xFFFFFFFF) + (p10 & 0xFFFFFFFF);
  return {p11 + (p01 >> 32) + (p10 >> 32) + (middle >> 32), a * b};
#endif
}

// log(1 + y) - y + y^2/2 - y^3/3 for |y| < 1, without cancellation for small y.
double log1p_remainder(double y) {
  if (std::fabs(y) > 0.1) {
    const double v = 1.0 + y;
    return log_positive(v) - y + y * y * (0.5 - y / 3.0);
  }
  double sum = 0.0;
  for (int i = 20; i >= 4; --i) sum = sum * y + ((i % 2) != 0 ? 1.0 : -1.0) / i;
  return sum * y * y * y * y;
}

// Of a proposal y = c x, log density ratio: x^2/2 + base (1 - v + log v), v = (1 + y)^3, which is
// 3 base (log(1 + y) - y + y^2/2 - y^3/3), for |y| < 1 at least -3/4 base y^4 / (1 - |y|).
bool accepted(double base, double y, double uniform) {
  const double size = std::fabs(y), fourth = y * y * y * y;
  if (size < 1.0 && uniform < 1.0 - 0.75 * base * fourth / (1.0 - size)) return true;
  return log_positive(uniform) < 3.0 * base * log1p_remainder(y);
}

double cubed(double base, double y) { return 2.0 * base * ((1.0 + y) * (1.0 + y) * (1.0 + y)); }

}  // namespace

void philox4x64(const std::uint64_t counter[4], const std::uint64_t key[2], std::uint64_t out[4]) {
  std::uint64_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  std::uint64_t k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; ++round) {
    const Product p0 = multiply(multiplier0, c0), p1 = multiply(multiplier1, c2);
    const std::uint64_t n0 = p1.high ^ c1 ^ k0, n2 = p0.high ^ c3 ^ k1;
    c0 = n0;
    c1 = p1.low;
    c2 = n2;
    c3 = p0.low;
    k0 += weyl0;
    k1 += weyl1;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

// x = 2^e f with f in [1/sqrt 2, sqrt 2); log f = 2 atanh((f - 1)/(f + 1)) by its series.
double log_positive(double x) {
  std::uint64_t u;
  std::memcpy(&u, &x, 8);
  int exponent = static_cast<int>((u >> 52) & 0x7FF) - 1023;
  u = (u & 0x000FFFFFFFFFFFFFULL) | 0x3FF0000000000000ULL;
  double f;
  std::memcpy(&f, &u, 8);
  if (f > 1.4142135623730951) {
    f *= 0.5;
    exponent += 1;
  }
  const double s = (f - 1.0) / (f + 1.0), s2 = s * s;
  double sum = 0.0;  // |s| < 0.1716: the term of degree 25 is below 1e-19
  for (int i = 25; i >= 3; i -= 2) sum = (sum + 1.0 / i) * s2;
  return exponent * 0.6931471805599453 + 2.0 * s * (1.0 + sum);
}

// M. J. Wichura, Algorithm AS 241 (PPND16), Applied Statistics 37 (1988) 477-484: about 1e-16.
double normal_quantile(double tail) {
  const double q = 0.5 - tail;
  if (q <= 0.425) {
    const double r = 0.180625 - q * q;
    const double num = (((((((2.5090809287301226727e3 * r + 3.3430575583588128105e4) * r +
                             6.7265770927008700853e4) *
                                r +
                            4.5921953931549871457e4) *
                               r +
                           1.3731693765509461125e4) *
                              r +
                          1.9715909503065514427e3) *
                             r +
                         1.3314166789178437745e2) *
                            r +
                        3.3871328727963666080e0);
    const double den = (((((((5.2264952788528545610e3 * r + 2.8729085735721942674e4) * r +
                             3.9307895800092710610e4) *
                                r +
                            2.1213794301586595867e4) *
                               r +
                           5.3941960214247511077e3) *
                              r +
                          6.8718700749205790830e2) *
                             r +
                         4.2313330701600911252e1) *
                            r +
                        1.0);
    return q * num / den;
  }
  double r = std::sqrt(-log_positive(tail));
  if (r <= 5.0) {
    r -= 1.6;
    const double num = (((((((7.74545014278341407640e-4 * r + 2.27238449892691845833e-2) * r +
                             2.41780725177450611770e-1) *
                                r +
                            1.27045825245236838258e0) *
                               r +
                           3.64784832476320460504e0) *
                              r +
                          5.76949722146069140550e0) *
                             r +
                         4.63033784615654529590e0) *
                            r +
                        1.42343711074968357734e0);
    const double den = (((((((1.05075007164441684324e-9 * r + 5.47593808499534494600e-4) * r +
                             1.51986665636164571966e-2) *
                                r +
                            1.48103976427480074590e-1) *
                               r +
                           6.89767334985100004550e-1) *
                              r +
                          1.67638483018380384940e0) *
                             r +
                         2.05319162663775882187e0) *
                            r +
                        1.0);
    return num / den;
  }
  r -= 5.0;
  const double num = (((((((2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r +
                           1.24266094738807843860e-3) *
                              r +
                          2.65321895265761230930e-2) *
                             r +
                         2.96560571828504891230e-1) *
                            r +
                        1.78482653991729133580e0) *
                           r +
                       5.46378491116411436990e0) *
                          r +
                      6.65790464350110377720e0);
  const double den = (((((((2.04426310338993978564e-15 * r + 1.42151175831644588870e-7) * r +
                           1.84631831751005468180e-5) *
                              r +
                          7.86869131145613259100e-4) *
                             r +
                         1.48753612908506148525e-2) *
                            r +
                        1.36929880922735805310e-1) *
                           r +
                       5.99832206555887937690e-1) *
                          r +
                      1.0);
  return num / den;
}

Stream::Stream(RandomKey key, std::uint64_t row, StreamTag tag)
    : key_(key), counter_{0, row, static_cast<std::uint64_t>(tag), 0} {}

std::uint64_t Stream::bits() {
  if (used_ == 4) {
    philox4x64(counter_, key_.word, block_);
    ++counter_[0];
    used_ = 0;
  }
  return block_[used_++];
}

double Stream::uniform() { return (static_cast<double>(bits() >> 11) + 0.5) * 0x1p-53; }

double Stream::normal() {
  const std::uint64_t u = bits();
  // the lowest bit is the sign, the others the probability of the tail in (0, 1/2)
  const double tail = (static_cast<double>(u >> 11) + 0.5) * 0x1p-54;
  const double x = normal_quantile(tail);
  return (u & 1) != 0 ? x : -x;
}

void Stream::normals(double* out, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = normal();
}

// Marsaglia and Tsang, ACM Trans. Math. Softw. 26 (2000) 363-372, for shape >= 1; its acceptance
// test is written without cancellation, so that it holds for any number of degrees of freedom.
double Stream::chi_squared(double freedom) {
  if (freedom <= 0.0) return 0.0;
  if (freedom < 2.0) {  // freedom 1: the only case below shape 1
    const double z = normal();
    return z * z;
  }
  const double base = 0.5 * freedom - 1.0 / 3.0, c = 1.0 / (3.0 * std::sqrt(base));
  for (;;) {
    const double y = c * normal();
    if (y > -1.0 && accepted(base, y, uniform())) return cubed(base, y);
  }
}

double chi_squared_from(double freedom, double normal, double uniform, Stream& more) {
  if (freedom < 2.0) return freedom <= 0.0 ? 0.0 : normal * normal;
  const double base = 0.5 * freedom - 1.0 / 3.0, y = normal / (3.0 * std::sqrt(base));
  return y > -1.0 && accepted(base, y, uniform) ? cubed(base, y) : more.chi_squared(freedom);
}

}  // namespace hermiteflow
