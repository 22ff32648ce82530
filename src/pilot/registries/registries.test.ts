import { describeRegistry } from "../../../testkit/registry-suite.ts";
import { kubernetes } from "./kubernetes/registry.ts";
import { serviceEntry } from "./service-entry/registry.ts";

describeRegistry(kubernetes, {
  hostname: (namespace) => `api.${namespace}.svc.cluster.local`,
  service: (namespace, { exportTo } = {}) => `
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: ${namespace}${exportTo === undefined ? "" : `, annotations: {networking.istio.io/exportTo: "${exportTo}"}`}}
spec: {clusterIP: 10.96.0.1, selector: {app: api}, ports: [{name: http, port: 80}]}
`,
});

describeRegistry(serviceEntry, {
  hostname: (namespace) => `api.${namespace}.example`,
  service: (namespace, { exportTo } = {}) => `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api, namespace: ${namespace}}
spec: {hosts: [api.${namespace}.example], resolution: STATIC, workloadSelector: {labels: {app: api}}, ports: [{number: 80, name: http, protocol: HTTP}]${exportTo === undefined ? "" : `, exportTo: ["${exportTo}"]`}}
`,
});
