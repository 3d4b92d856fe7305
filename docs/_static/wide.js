// Marks formulas within a line that are wider than their paragraph, so that narrow.css lets them scroll.
// A style alone would have to do it to all of them, and would shift them off the line.
(function () {
  function mark() {
    for (const formula of document.querySelectorAll("article span.math")) {
      formula.classList.remove("wide");
      const block = formula.closest("p, li, dd, td, h1, h2, h3") || formula.parentElement;
      const right = block.getBoundingClientRect().right;
      if (formula.getBoundingClientRect().right > right + 1) formula.classList.add("wide");
    }
  }
  window.addEventListener("load", function () {
    if (window.MathJax && MathJax.startup) MathJax.startup.promise.then(mark);
  });
  window.addEventListener("resize", mark);
})();
