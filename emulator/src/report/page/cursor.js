// Tells the values under a cursor, which the pointer or the arrow keys move.
for (const plot of document.querySelectorAll("[data-cursor]")) {
  const { places, says, names, values, top, bottom } = JSON.parse(plot.dataset.cursor);
  const svg = plot.querySelector("svg"), told = plot.querySelector("output");
  if (places.length === 0) continue;
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("class", "cursor");
  let at = -1;
  const move = (to) => {
    at = Math.max(0, Math.min(places.length - 1, to));
    line.setAttribute("d", `M${places[at]} ${top}V${bottom}`);
    if (!line.parentNode) svg.append(line);
    told.textContent = [says[at], ...names.map((name, index) => `${name} ${values[index][at]}`)].join(" · ");
  };
  const leave = () => {
    at = -1;
    line.remove();
    told.textContent = "";
  };
  plot.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
    let nearest = 0;
    places.forEach((place, index) => {
      if (Math.abs(place - x) < Math.abs(places[nearest] - x)) nearest = index;
    });
    move(nearest);
  });
  plot.addEventListener("pointerleave", leave);
  plot.addEventListener("blur", leave);
  plot.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -places.length, End: places.length }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    move(at < 0 && step > 0 && step < places.length ? 0 : at + step);
  });
}
