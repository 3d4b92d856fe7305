// The one table of statuses and their messages; Python reads it.
#pragma once

#include "hermiteflow/types.hpp"

namespace hermiteflow {

struct StatusEntry {
  Status status;
  const char* name;
  const char* message;
};

inline constexpr StatusEntry status_table[] = {
    {Status::converged, "converged", "reached a fixed point with no negative Hessian eigenvalue"},
    {Status::t_end, "t_end", "reached t_end"},
    {Status::event, "event", "stopped by a terminal event"},
    {Status::no_escape, "no_escape",
     "provably never leaves the neighbourhood of zero overlap (trapped signs)"},
    {Status::max_steps, "max_steps", "max_steps steps were not enough"},
    {Status::step_too_small, "step_too_small",
     "the step size fell below rounding; rtol or atol is too small"},
    {Status::non_finite, "non_finite", "the field overflowed or became NaN"},
    {Status::interrupted, "interrupted", "stopped before its end"},
};

}  // namespace hermiteflow
