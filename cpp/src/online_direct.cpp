// Online gradient descent in R^d: stretches of coordinates over threads, which meet three times a
// step. Sums over stretches are taken in order, so threads cannot matter.
#include "hermiteflow/online_step.hpp"

namespace hermiteflow {

namespace {

constexpr Index stretch = 1024;           // coordinates
constexpr Index kept = Index{1} << 22;    // inputs of a batch that are not drawn twice
constexpr Index worth_threads = 1 << 17;  // multiply-adds of a step

class Direct {
 public:
  Direct(const OnlineModel& model, const OnlineOptions& options, OnlineState& state,
         OnlineResult& result, int threads)
      : model_(model), s_(model.sample), o_(options), state_(state), key_(sample_key(options.key)),
        d_(state.columns), stretches_((d_ + stretch - 1) / stretch),
        keeps_(options.batch * stretches_ * stretch <= kept), step_(model, options, state, result) {
    const Index work = s_.n * options.batch * d_;
    threads_ = work < worth_threads ? 1 : thread_count(threads);
    threads_ = static_cast<int>(std::min<Index>(threads_, stretches_));
    const Index inputs = options.batch * stretch;
    x_ = make_scratch(inputs * (keeps_ ? stretches_ : threads_));
    partial_ = make_scratch(stretches_ * options.batch * s_.own);
    front_ = make_scratch(options.batch * padded_to(model.rank, 16));
    squares_.resize(static_cast<std::size_t>(stretches_ * s_.n));
    for (int i = 0; i < threads_; ++i)
      scratch_.push_back(make_scratch(kernels().sample_scratch(&s_, options.batch)));
  }

  void run(OnlineResult& out, Watch& watch) {
    bool stop = false;  // written by one thread between two meetings
    // it throws nothing: the other threads would wait for one that has left
    const auto share = [&](int thread) noexcept {
      const int team = team_size();
      const auto meet = [&] {
        if (team > 1) meet_team();
      };
      for (Index step = o_.first + 1; step <= o_.last; ++step) {
        on_stretches(thread, team, [&](Index s) { look(step, s, thread); });
        meet();
        if (thread == 0) {
          gather();
          if (watch.look(step)) {
            out.status = Status::interrupted;
            stop = true;
          } else if (!step_.pull_rows()) {
            step_.blow_up(step);
            stop = true;
          }
        }
        meet();
        if (stop) return;
        on_stretches(thread, team, [&](Index s) { move(step, s, thread); });
        meet();
        if (thread == 0) {
          for (Index s = 1; s < stretches_; ++s)
            for (Index i = 0; i < s_.n; ++i) square(0)[i] += square(s)[i];
          stop = step_.close(step, square(0));
        }
        meet();
        if (stop) return;
      }
    };
    on_each_thread(threads_, share, [] {});
  }

 private:
  const OnlineModel& model_;
  const SampleModel& s_;
  const OnlineOptions& o_;
  OnlineState& state_;
  SampleKey key_;
  Index d_, stretches_;
  bool keeps_;
  int threads_;
  OnlineStep step_;
  Scratch x_, partial_, front_;  // front: the first `rank` coordinates of each sample
  std::vector<double> squares_;
  std::vector<Scratch> scratch_;

  double* square(Index s) { return squares_.data() + s * s_.n; }
  double* scratch(int thread) { return scratch_[static_cast<std::size_t>(thread)].get(); }
  double* inputs(Index s, int thread) {
    return x_.get() + (keeps_ ? s : thread) * o_.batch * stretch;
  }
  Index begin(Index s) const { return s * stretch; }
  Index length(Index s) const { return padded_to(std::min(stretch, d_ - begin(s)), 16); }

  template <class Work>
  void on_stretches(int thread, int team, const Work& work) {
    const Index first = stretches_ * thread / team, last = stretches_ * (thread + 1) / team;
    for (Index s = first; s < last; ++s) work(s);
  }

  // X of a stretch: (batch, length), zero behind d.
  void draw(Index step, Index s, double* x) {
    const Index wide = length(s), real = std::min(stretch, d_ - begin(s));
    for (Index b = 0; b < o_.batch; ++b, x += wide) {
      const auto sample = static_cast<std::uint64_t>((step - 1) * o_.batch + b);
      kernels().sample_normals(&key_, SampleTag::inputs, sample, begin(s) / 16, wide / 16, x);
      std::fill(x + real, x + wide, 0.0);
    }
  }

  void look(Index step, Index s, int thread) {
    double* const x = inputs(s, thread);
    const Index wide = length(s), rank = model_.rank, pad = padded_to(rank, 16);
    draw(step, s, x);
    for (Index b = 0; begin(s) < rank && b < o_.batch; ++b)
      std::copy_n(x + b * wide, std::min(wide, rank - begin(s)), front_.get() + b * pad + begin(s));
    kernels().sample_fields(&s_, wide, state_.rows + begin(s), state_.stride, o_.batch, x,
                            partial_.get() + s * o_.batch * s_.own, scratch(thread));
  }

  void gather() {
    const Index count = o_.batch * s_.own, pad = padded_to(model_.rank, 16);
    double* const fields = step_.fields();
    for (Index b = 0; b < o_.batch; ++b) {
      step_.follow(b, front_.get() + b * pad);
      for (Index i = b * s_.own; i < b * s_.own + s_.n; ++i) {
        double sum = 0.0;
        for (Index s = 0; s < stretches_; ++s) sum += partial_[s * count + i];
        fields[i] = sum;
      }
    }
  }

  void move(Index step, Index s, int thread) {
    double* const x = inputs(s, thread);
    if (!keeps_) draw(step, s, x);
    kernels().sample_advance(&s_, length(s), step_.keep(), state_.rows + begin(s), state_.stride,
                             o_.batch, step_.pull(), x, square(s), scratch(thread));
  }
};

}  // namespace

void online_direct(const OnlineModel& model, const OnlineOptions& options, OnlineState& state,
                   OnlineResult& result, int threads, const Poll& poll) {
  Watch watch(poll);
  Direct(model, options, state, result, threads).run(result, watch);
}

}  // namespace hermiteflow
