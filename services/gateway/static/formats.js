// Answers in the formats that other tools read, and the same request for other programs.

import { labelOf, points, scoreOf } from "./draw.js";

// VGG Image Annotator 2.x: what the API answers is that already; here over all pictures, as they are filtered.
export function via(shots, shown) {
  return Object.fromEntries(shots.map((shot, at) => [`${shot.name}${shot.entry.size}-${at}`, {
    filename: shot.name, size: shot.entry.size, file_attributes: shot.entry.file_attributes, regions: shown(shot),
  }]));
}

function boxOf(shape) {
  if (shape.name === "rect") return [shape.x, shape.y, shape.width, shape.height];
  const xs = shape.all_points_x, ys = shape.all_points_y, x = Math.min(...xs), y = Math.min(...ys);
  return [x, y, Math.max(...xs) - x, Math.max(...ys) - y];
}

// The surface of a shape in square pixels; of a polygon by the shoelace formula, of others as of their box.
function areaOf(shape) {
  if (shape.name !== "polygon") return boxOf(shape)[2] * boxOf(shape)[3];
  const all = points(shape);
  return Math.abs(all.reduce((sum, [x, y], at) => {
    const [nextX, nextY] = all[(at + 1) % all.length];
    return sum + x * nextY - nextX * y;
  }, 0)) / 2;
}

// COCO: a polygon and the rect before it are one instance; a lane keeps its points in a member of its own.
export function coco(shots, shown) {
  const names = new Map(), images = [], annotations = [];
  const category = (label) => names.get(label) ?? names.set(label, names.size + 1).get(label);
  shots.forEach((shot, at) => {
    const { width, height } = shot.entry.file_attributes;
    images.push({ id: at + 1, file_name: shot.name, width, height });
    const regions = shown(shot);
    regions.forEach((region, index) => {
      const shape = region.shape_attributes, next = regions[index + 1];
      if (shape.name === "rect" && next?.shape_attributes.name === "polygon" && labelOf(next) === labelOf(region)) return;
      annotations.push({
        id: annotations.length + 1, image_id: at + 1, category_id: category(labelOf(region)), bbox: boxOf(shape),
        area: areaOf(shape), iscrowd: 0, score: scoreOf(region),
        segmentation: shape.name === "polygon" ? [points(shape).flat()] : [],
        ...(shape.name === "polyline" ? { polyline: points(shape).flat() } : {}),
      });
    });
  });
  return { images, annotations, categories: [...names].map(([name, id]) => ({ id, name })) };
}

const shell = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

// *keyed*: the deployment asks for a key, which is taken from the environment: it is not to stand in a program.
export function curl(task, key, name, keyed) {
  const header = keyed ? ` \\\n  -H "Authorization: Bearer $SERVOIR_API_KEY"` : "";
  const q = key ? ` \\\n  -F q=${shell(key)}` : "";
  return `curl ${shell(`${location.origin}/api/vision/v3/predict/${task}`)} \\\n  -F image=@${shell(name)}${q}${header}`;
}

export function python(task, key, name, keyed) {
  const header = keyed ? `\n        headers={"Authorization": "Bearer " + os.environ["SERVOIR_API_KEY"]},` : "";
  const data = key ? `\n        data={"q": ${JSON.stringify(key)}},` : "";
  return `${keyed ? "import os\n\n" : ""}import requests

with open(${JSON.stringify(name)}, "rb") as picture:
    answer = requests.post(
        ${JSON.stringify(`${location.origin}/api/vision/v3/predict/${task}`)},
        files={"image": picture},${data}${header}
    )
answer.raise_for_status()
for entry in answer.json()["result"].values():
    for region in entry["regions"]:
        print(region["region_attributes"], region["shape_attributes"])`;
}
