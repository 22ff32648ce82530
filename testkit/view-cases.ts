/** Golden cases of what is generated from a view: one YAML file, whose first document says who asks. */
import { parse } from "yaml";
import { readMeshConfig } from "#model/mesh-config.ts";
import type { ProxyNode } from "#model/node.ts";
import type { ProxyView } from "#pilot/view.ts";
import { viewOf } from "./view-of.ts";

interface Who {
  readonly node?: Partial<ProxyNode>;
  readonly meshConfig?: unknown;
}

/** `node: {…}`, `meshConfig: {…}`, then `---` and the objects. */
export function viewOfCase(text: string): ProxyView {
  const end = text.indexOf("\n---\n");
  // Proof: the golden files are the tests' own.
  const { node = {}, meshConfig = {} } = parse(text.slice(0, end)) as Who;
  const { config, problems } = readMeshConfig("meshConfig", JSON.stringify(meshConfig));
  if (problems.length > 0) throw new Error(JSON.stringify(problems));
  return viewOf({ yaml: text.slice(end + 1), node, meshConfig: config });
}
