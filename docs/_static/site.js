// What is wider than the page scrolls, also by the keyboard, and pictures open in full size.
function settle() {
  document.querySelectorAll("article span.math").forEach((formula) => {
    const line = formula.closest("p, li, td, th, dd, h1, h2, h3, h4") || formula.parentElement;
    formula.classList.remove("wide");
    if (formula.getBoundingClientRect().width > line.clientWidth) formula.classList.add("wide");
  });
  document.querySelectorAll("article pre, article table, article div.math, article .math.wide").forEach((part) => {
    if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
  });
}

function link(picture) {
  if (picture.closest("a") || picture.src.startsWith("data:")) return;
  const way = document.createElement("a");
  way.href = picture.src;
  way.title = "full size";
  picture.replaceWith(way);
  way.append(picture);
}

window.addEventListener("load", async () => {
  document.querySelectorAll("article img").forEach(link);
  if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
  settle();
  window.addEventListener("resize", settle);
});
