// Regions over a picture: on the page as SVG and labels, and burnt into a copy of the picture.

const NS = "http://www.w3.org/2000/svg";

export const colorOf = (region, alpha = 1) => {
  const [r, g, b] = (region.region_attributes.color || [1, 0, 0]).map((part) => Math.round(part * 255));
  return `rgb(${r} ${g} ${b} / ${alpha})`;
};

// Black or white, whichever is easier to read on the region's colour.
const inkOn = (region) => {
  const [r, g, b] = region.region_attributes.color || [1, 0, 0];
  return 0.299 * r + 0.587 * g + 0.114 * b > 0.55 ? "#000" : "#fff";
};

export const scoreOf = (region) => region.region_attributes.score ?? 1;
export const labelOf = (region) => String(region.region_attributes.label ?? "");
const caption = (region) => `${labelOf(region)} ${scoreOf(region).toFixed(2)}`;

export function points(shape) {
  return (shape.all_points_x || []).map((x, at) => [x, shape.all_points_y[at]]);
}

// Where a region's label goes: its topmost left corner.
function corner(shape) {
  if (shape.name === "rect") return [shape.x, shape.y];
  const all = points(shape);
  return all.reduce((best, point) => (point[1] < best[1] ? point : best), all[0] || [0, 0]);
}

function element(shape) {
  if (shape.name === "rect") {
    const node = document.createElementNS(NS, "rect");
    for (const name of ["x", "y", "width", "height"]) node.setAttribute(name, shape[name]);
    return node;
  }
  const node = document.createElementNS(NS, shape.name === "polyline" ? "polyline" : "polygon");
  node.setAttribute("points", points(shape).map((point) => point.join(",")).join(" "));
  return node;
}

// A polygon's instance has a rect of its own before it: the rect stands for both.
export const isInstance = (regions, at) => !(regions[at].shape_attributes.name === "polygon" && regions[at - 1]
  && regions[at - 1].shape_attributes.name === "rect" && labelOf(regions[at - 1]) === labelOf(regions[at]));

export function overlay(figure, size, regions) {
  figure.querySelectorAll("svg, .tag").forEach((old) => old.remove());
  const svg = document.createElementNS(NS, "svg");
  svg.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  figure.append(svg);
  regions.forEach((region, at) => {
    const shape = region.shape_attributes, node = element(shape);
    node.setAttribute("stroke", colorOf(region));
    node.setAttribute("fill", shape.name === "polygon" ? colorOf(region, 0.28) : "none");
    svg.append(node);
    if (isInstance(regions, at)) figure.append(tag(region, size));
  });
  return [...svg.children];
}

function tag(region, size) {
  const [x, y] = corner(region.shape_attributes), node = document.createElement("span");
  node.className = y / size.height < 0.05 ? "tag inside" : "tag";
  node.textContent = caption(region);
  node.style.left = `${Math.max(0, Math.min(90, 100 * x / size.width))}%`;
  node.style.top = `${Math.max(0, 100 * y / size.height)}%`;
  node.style.background = colorOf(region);
  node.style.color = inkOn(region);
  return node;
}

// Return a PNG of the picture at its own size with the regions drawn on it.
export async function annotated(image, size, regions) {
  const canvas = Object.assign(document.createElement("canvas"), { width: size.width, height: size.height });
  const pen = canvas.getContext("2d"), unit = Math.max(2, Math.round(Math.max(size.width, size.height) / 500));
  pen.drawImage(image, 0, 0, size.width, size.height);
  pen.lineWidth = unit;
  pen.font = `600 ${unit * 8}px system-ui, sans-serif`;
  pen.textBaseline = "top";
  regions.forEach((region, at) => stroke(pen, region, unit, isInstance(regions, at)));
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

function stroke(pen, region, unit, withLabel) {
  const shape = region.shape_attributes;
  pen.strokeStyle = colorOf(region);
  if (shape.name === "rect") {
    pen.strokeRect(shape.x, shape.y, shape.width, shape.height);
  } else {
    pen.beginPath();
    points(shape).forEach(([x, y]) => pen.lineTo(x, y));
    if (shape.name === "polygon") {
      pen.closePath();
      pen.fillStyle = colorOf(region, 0.28);
      pen.fill();
    }
    pen.stroke();
  }
  if (!withLabel) return;
  const [x, y] = corner(shape), width = pen.measureText(caption(region)).width, height = unit * 10;
  const top = Math.max(0, y - height);
  pen.fillStyle = colorOf(region);
  pen.fillRect(x, top, width + 2 * unit, height);
  pen.fillStyle = inkOn(region);
  pen.fillText(caption(region), x + unit, top + unit);
}
