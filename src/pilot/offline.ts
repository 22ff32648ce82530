/** The way from files to what one proxy sees, without a control plane: `heddle xds`, `heddle explain`, `heddle test`. */
import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import { type ObjectProblem, printObjectProblem, readObjects } from "#model/documents.ts";
import { defaultMeshConfig, readMeshConfig, withMeshDefaults } from "#model/mesh-config.ts";
import type { ProxyNode } from "#model/node.ts";
import type { ConfigObject } from "#model/object.ts";
import { readNode } from "#model/read-node.ts";
import { notEnforced } from "./not-enforced.ts";
import { type MeshState, meshState } from "./state/mesh-state.ts";
import type { ProxyView } from "./view.ts";
import { proxyView } from "./views.ts";

export interface OfflineText {
  /** As problems name it. */
  readonly name: string;
  readonly text: string;
}

export interface OfflineInput {
  /** Objects of Istio's and Kubernetes' kinds. */
  readonly files: readonly OfflineText[];
  /** Undefined: a MeshConfig object or Istio's ConfigMap among the files, else the defaults. */
  readonly meshConfig?: OfflineText | undefined;
}

export interface OfflineMesh {
  /** Without a problem there is a state. */
  readonly state: MeshState | undefined;
  /** Every object that was read. */
  readonly objects: readonly ConfigObject[];
  /** One line each: `file:line:column kind/namespace/name field: problem`. */
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/** Reads everything, names every problem. */
export function offlineMesh({ files, meshConfig }: OfflineInput): OfflineMesh {
  const objects: ConfigObject[] = [];
  const problems: string[] = [];
  const warnings: string[] = [];
  const print = (list: readonly ObjectProblem[]): readonly string[] => list.map(printObjectProblem);
  for (const { name, text } of files) {
    const read = readObjects(name, text);
    objects.push(...read.objects);
    problems.push(...print(read.problems));
    warnings.push(...print([...read.warnings, ...read.objects.flatMap(notEnforced)]));
  }
  const mesh = meshConfig === undefined ? meshAmong(objects) : readMesh(meshConfig);
  problems.push(...mesh.problems);
  const state = problems.length > 0 ? undefined : meshState({ objects, meshConfig: mesh.config });
  return { state, objects, problems, warnings };
}

interface ReadMesh {
  readonly config: MeshConfigJson;
  readonly problems: readonly string[];
}

function readMesh({ name, text }: OfflineText): ReadMesh {
  const { config, problems } = readMeshConfig(name, text);
  return {
    config,
    problems: problems.map(
      ({ file, line, column, path, message }) =>
        `${file}:${line}:${column} MeshConfig ${path || "document"}: ${message}`,
    ),
  };
}

/** A MeshConfig object goes before Istio's own form, the ConfigMap `istio` with the text under `mesh`. */
function meshAmong(objects: readonly ConfigObject[]): ReadMesh {
  const object = objects.find(({ kind }) => kind === "MeshConfig");
  if (object !== undefined) {
    // Its reader decoded it by MeshConfig's message.
    return { config: withMeshDefaults(object.spec as MeshConfigJson), problems: [] };
  }
  for (const { kind, metadata, spec, source } of objects) {
    if (kind !== "ConfigMap" || metadata.name !== "istio") continue;
    const text = meshTextOf(spec);
    if (text !== undefined) return readMesh({ name: source?.name ?? "ConfigMap/istio", text });
  }
  return { config: defaultMeshConfig, problems: [] };
}

function meshTextOf(spec: unknown): string | undefined {
  if (typeof spec !== "object" || spec === null || !("data" in spec)) return undefined;
  const { data } = spec;
  if (typeof data !== "object" || data === null || !("mesh" in data)) return undefined;
  return typeof data.mesh === "string" ? data.mesh : undefined;
}

export type OfflineNode = { readonly node: ProxyNode } | { readonly problems: readonly string[] };

/** A proxy as `--node` and `--metadata` name it. */
export function offlineNode(
  id: string,
  metadata: Readonly<Record<string, unknown>> = {},
): OfflineNode {
  return readNode({ id, metadata });
}

/** What Pilot would know when it answers this proxy. */
export function offlineView(state: MeshState, node: ProxyNode): ProxyView {
  return proxyView(state, node);
}
