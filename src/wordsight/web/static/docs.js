// The API's own description, as a page.

import { $, make } from "./dom.js";

const named = (schema) => schema?.$ref?.split("/").at(-1) ?? null;

/** The type of a value in a few words, with a link to what is described on its own. */
function type(schema) {
  const name = named(schema);
  if (name) return [make("a", { href: `#${name}` }, name)];
  const some = schema.anyOf?.filter((one) => one.type !== "null");
  if (some) return some.flatMap((one, place) => (place ? [" or ", ...type(one)] : type(one)));
  if (schema.type === "array") {
    const many = schema.minItems !== undefined && schema.minItems === schema.maxItems ? `${schema.minItems} × ` : "list of ";
    const parts = schema.prefixItems ?? [schema.items ?? {}];
    return [many, ...parts.flatMap((one, place) => (place ? [", ", ...type(one)] : type(one)))];
  }
  return [schema.contentMediaType === "application/octet-stream" || schema.format === "binary" ? "file" : schema.type ?? "anything"];
}

function range(schema) {
  const one = schema.anyOf?.find((part) => part.type !== "null") ?? schema;
  const said = [];
  if (one.minimum !== undefined) said.push(`≥ ${one.minimum}`);
  if (one.maximum !== undefined) said.push(`≤ ${one.maximum}`);
  if (one.maxLength !== undefined) said.push(`at most ${one.maxLength} letters`);
  if (one.maxItems !== undefined && one.minItems !== one.maxItems) said.push(`at most ${one.maxItems}`);
  if (schema.default !== undefined && schema.default !== null) said.push(`else ${JSON.stringify(schema.default)}`);
  return said.join(", ");
}

function table(rows) {
  const head = make("tr", {}, ...["name", "type", "range", "meaning"].map((text) => make("th", {}, text)));
  return make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows.map(([name, schema, required]) => make("tr", {},
    make("td", {}, make("code", {}, name), required && " *"), make("td", {}, ...type(schema)),
    make("td", {}, range(schema)), make("td", {}, schema.description ?? "")))));
}

const fields = (schema) => Object.entries(schema.properties ?? {}).map(([name, one]) => [name, one, schema.required?.includes(name)]);

function operation(path, method, what, schemas) {
  const parts = [make("p", {}, what.description ?? what.summary)];
  const given = (what.parameters ?? []).map((one) => [one.name, { ...one.schema, description: one.description ?? one.schema.description }, one.required]);
  if (given.length) parts.push(table(given));
  for (const [kind, { schema }] of Object.entries(what.requestBody?.content ?? {})) {
    parts.push(make("p.soft", {}, `Send ${kind}:`));
    const inside = schemas[named(schema)] ?? schema;
    parts.push(table(fields(inside)));
    for (const example of inside.examples ?? []) parts.push(make("pre", {}, JSON.stringify(example, null, 1)));
  }
  const answers = Object.entries(what.responses).map(([status, one]) => {
    const schema = Object.values(one.content ?? {})[0]?.schema;
    return make("tr", {}, make("td", {}, make("code", {}, status)), make("td", {}, ...(schema ? type(schema) : [])), make("td", {}, one.description));
  });
  parts.push(make("p.soft", {}, "Answers:"), make("table", {}, make("tbody", {}, ...answers)));
  return make("section", { id: what.operationId }, make("h3", {}, make("span.method", {}, method.toUpperCase()), make("code", {}, path)), ...parts);
}

try {
  const described = await (await fetch("openapi.json")).json();
  const schemas = described.components.schemas;
  const operations = Object.entries(described.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, what]) => operation(path, method, what, schemas)));
  const models = Object.entries(schemas).filter(([, schema]) => schema.properties).map(([name, schema]) =>
    make("section", { id: name }, make("h3", {}, name), make("p", {}, schema.description ?? ""), table(fields(schema))));
  $("operations").replaceChildren(
    make("p", {}, `${described.info.description} Version ${described.info.version}. Errors are {"error": "one sentence"}; * is required.`),
    make("h2", {}, "Operations"), ...operations, make("h2", {}, "Models"), ...models);
} catch {
  $("notice").hidden = false;
  $("notice").textContent = "The server does not answer.";
}
