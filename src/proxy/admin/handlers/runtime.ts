import { type AdminAnswer, type AdminPage, type AdminRequest, json, ok } from "../page.ts";
import type { AdminSource } from "../source.ts";

export const runtimePages: readonly AdminPage[] = [
  {
    path: "/runtime",
    help: "print runtime values",
    answer: (_request, { source }) => runtime(source),
  },
  {
    path: "/runtime_modify",
    post: true,
    help: "set runtime values (?key1=value1&key2=value2, or a form); an empty value takes away what this page has set",
    answer: (request, { source }) => modify(request, source),
  },
];

function runtime(source: AdminSource): AdminAnswer {
  const { layers, entries } = source.runtime();
  const shown = Object.entries(entries).map(([key, { finalValue, layerValues }]) => [
    key,
    { final_value: finalValue, layer_values: layerValues },
  ]);
  return json({ entries: Object.fromEntries(shown), layers });
}

const usage = `usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN
       or send the parameters as form values
use an empty value to remove a previously added override`;

function modify({ query }: AdminRequest, source: AdminSource): AdminAnswer {
  if (query.size === 0) return { status: 400, body: usage };
  const problem = source.modifyRuntime(query);
  return problem === undefined ? ok : { status: 503, body: problem };
}
