// The API's description, made readable from /openapi.json.

const ORDER = ["Vision API 3", "Open Inference Protocol", "Jobs", "Models", "Reports", "Changes", "Operators", "Health", "Vision API 2"];

function node(name, text = "", attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

const named = (reference) => reference.split("/").pop();

// Text with `code` in it, as nodes.
function prose(name, text) {
  const made = node(name);
  text.split(/`+([^`]+)`+/).forEach((part, at) => made.append(at % 2 ? node("code", part) : part));
  return made;
}

// Where a tag stands: one that is not in the order comes last.
const rank = (tag) => (ORDER.includes(tag) ? ORDER.indexOf(tag) : ORDER.length);

// A type in words, with a link where it has a name.
function typeOf(schema) {
  const made = node("span");
  if (!schema || !Object.keys(schema).length) made.append("anything");
  else if (schema.$ref) made.append(node("a", named(schema.$ref), { href: `#type-${named(schema.$ref)}` }));
  else if (schema.anyOf) schema.anyOf.forEach((one, at) => made.append(at ? " or " : "", typeOf(one)));
  else if (schema.contentMediaType) made.append("bytes");
  else if (schema.enum) made.append(schema.enum.join(" | "));
  else if (schema.type === "array") made.append("list of ", typeOf(schema.items));
  else if (schema.type === "object" && schema.additionalProperties) made.append("map of ", typeOf(schema.additionalProperties));
  else made.append(schema.type || "anything");
  return made;
}

function table(rows) {
  const made = node("table");
  for (const cells of rows) {
    const row = node("tr");
    for (const cell of cells) {
      const data = node("td");
      data.append(cell);
      row.append(data);
    }
    made.append(row);
  }
  return made;
}

// A type as a table of its members; one that has none, in words.
function shapeOf(schema) {
  if (!schema.properties) return typeOf(schema);
  const required = new Set(schema.required);
  return table(Object.entries(schema.properties).map(([name, one]) => [
    node("code", name), typeOf(one), required.has(name) ? "" : "may be absent", prose("span", one.description || "")]));
}

function operation(method, path, described) {
  const made = node("details", "", { id: described.operationId }), summary = node("summary");
  summary.append(node("span", method.toUpperCase(), { class: `method ${method}` }), node("code", path), prose("span", described.summary));
  made.append(summary);
  if (described.description) made.append(prose("p", described.description));
  if (described.parameters.length) {
    made.append(node("h4", "Parameters"), table(described.parameters.map((one) => [
      node("code", one.name), one.in, typeOf(one.schema), prose("span", one.description || "")])));
  }
  for (const [media, { schema }] of Object.entries(described.requestBody?.content || {})) {
    made.append(node("h4", `Body: ${media}`), shapeOf(schema));
  }
  made.append(node("h4", "Answers"), table(Object.entries(described.responses).map(([status, answer]) => {
    const types = node("span");
    Object.entries(answer.content || {}).forEach(([media, { schema }], at) => types.append(at ? "; " : "", `${media}: `, typeOf(schema)));
    return [node("code", status), answer.description, types];
  })));
  return made;
}

function type(name, schema) {
  const made = node("div", "", { id: `type-${name}` });
  made.append(node("h3", name));
  if (schema.description) made.append(prose("p", schema.description));
  made.append(shapeOf(schema));
  return made;
}

const api = await (await fetch("/openapi.json")).json();
document.getElementById("about").append(prose("p", api.info.description));
const byTag = {};
for (const [path, methods] of Object.entries(api.paths)) {
  for (const [method, described] of Object.entries(methods)) (byTag[described.tags[0]] ??= []).push([method, path, described]);
}
for (const tag of Object.keys(byTag).sort((one, other) => rank(one) - rank(other))) {
  const id = `tag-${tag.replaceAll(" ", "-")}`;
  document.getElementById("contents").append(node("a", tag, { href: `#${id}` }));
  document.getElementById("operations").append(node("h2", tag, { id }), ...byTag[tag].map((one) => operation(...one)));
}
document.getElementById("contents").append(node("a", "Types", { href: "#schemas" }));
document.getElementById("schemas").append(...Object.entries(api.components.schemas).map((one) => type(...one)));
if (location.hash) document.querySelector(location.hash)?.scrollIntoView();
