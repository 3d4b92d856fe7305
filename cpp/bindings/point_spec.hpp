// A link as a function of a point, described from Python.
#pragma once

#include <algorithm>

#include "bindings.hpp"

#include "hermiteflow/kernel_api.hpp"

namespace hermiteflow::bindings {

// Owns the arrays that a PointLink points to.
struct PointSpec {
  PointLink link;
  Array series, slope_series, up, down;
  MaybeArray table;

  PointSpec(Array series_, Array slope_series_, Array up_, Array down_, const Array& factors,
            double reach, MaybeArray table_)
      : link{}, series(std::move(series_)), slope_series(std::move(slope_series_)),
        up(std::move(up_)), down(std::move(down_)), table(std::move(table_)) {
    link.terms = series.size();
    const Index steps = link.terms - 1;
    if (link.terms < 1 || slope_series.size() != steps || up.size() != steps ||
        down.size() != steps || factors.size() != functions ||
        (table && (table->ndim() != 2 || table->shape(1) != table_terms)))
      throw py::value_error("a link at points must have arrays that fit together");
    link.series = series.data();
    link.slope_series = slope_series.data();
    link.up = up.data();
    link.down = down.data();
    std::copy_n(factors.data(), functions, link.factors);
    link.reach = reach;
    link.panels = table ? table->shape(0) : 0;
    link.panels_per_unit = static_cast<double>(link.panels) / (2.0 * reach);
    link.table = data_or_null(table);
  }
};

}  // namespace hermiteflow::bindings
