import type { ClusterLoadAssignmentJson } from "#gen/envoy/config/endpoint/v3/endpoint_pb.js";
import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import type { Endpoint, Service } from "#model/service.ts";
import { parseClusterName } from "../../cluster-names.ts";
import type { DestinationRule, OutboundScope, ProxyView } from "../../view.ts";
import { callerKey } from "../caller-key.ts";
import { isEds } from "../discovery-type.ts";
import { loadAssignment } from "./load-assignment.ts";

/**
 * The endpoints of the clusters that a proxy asks for. A cluster that does not exist (any more) has none. The same object as before for
 * a cluster that nothing changed of, also from one view to the next.
 */
export function generateEndpoints(
  { scope }: ProxyView,
  names: ReadonlySet<string>,
): readonly ClusterLoadAssignmentJson[] {
  return [...names].map((name) => assignmentOf(scope, name));
}

const ofScope = new WeakMap<OutboundScope, Map<string, ClusterLoadAssignmentJson>>();

function assignmentOf(scope: OutboundScope, name: string): ClusterLoadAssignmentJson {
  let known = ofScope.get(scope);
  if (known === undefined) {
    known = new Map();
    ofScope.set(scope, known);
  }
  let assignment = known.get(name);
  if (assignment === undefined) {
    assignment = generated(scope, name);
    known.set(name, assignment);
  }
  return assignment;
}

function generated(scope: OutboundScope, name: string): ClusterLoadAssignmentJson {
  const parsed = parseClusterName(name);
  const service = parsed && scope.service(parsed.hostname);
  const port = service?.ports.find(({ number }) => number === parsed?.port);
  if (parsed === undefined || service === undefined || port === undefined) {
    return { clusterName: name };
  }
  // While the proxy still asks for the endpoints of a cluster that has become one of DNS.
  if (!isEds(service, scope.type)) return { clusterName: name };
  const rule = scope.destinationRule(service.hostname);
  const endpoints = scope.endpoints(service);
  const { mesh } = scope;
  const { subset, form } = parsed;
  return remembered({ endpoints, slot: `${name} ${callerKey(scope)}`, service, rule, mesh }, () =>
    loadAssignment(name, { service, port, subset, form, rule, endpoints, mesh, caller: scope }),
  );
}

/** What an assignment was made of. The next view has mostly the same, and then its assignment is this one. */
interface Ingredients {
  readonly endpoints: readonly Endpoint[];
  /** The cluster and the kind of caller. */
  readonly slot: string;
  readonly service: Service;
  readonly rule: DestinationRule | undefined;
  readonly mesh: MeshConfigJson;
}

interface Entry extends Omit<Ingredients, "endpoints" | "slot"> {
  readonly assignment: ClusterLoadAssignmentJson;
}

/** By the list of endpoints, with which they are forgotten; then one for each cluster and kind of caller. */
const ofEndpoints = new WeakMap<readonly Endpoint[], Map<string, Entry>>();

function remembered(
  { endpoints, slot, service, rule, mesh }: Ingredients,
  make: () => ClusterLoadAssignmentJson,
): ClusterLoadAssignmentJson {
  let entries = ofEndpoints.get(endpoints);
  if (entries === undefined) {
    entries = new Map();
    ofEndpoints.set(endpoints, entries);
  }
  const known = entries.get(slot);
  if (known?.service === service && known.rule === rule && known.mesh === mesh) {
    return known.assignment;
  }
  const assignment = make();
  entries.set(slot, { service, rule, mesh, assignment });
  return assignment;
}
