/** All that can be read from a view, as plain values: two views that are the same in this are the same to every generator. */
import { objectKey } from "#model/object.ts";
import type { ProxyView } from "#pilot/view.ts";

export function describeView(
  { scope, targets, servers }: ProxyView,
  gateways: readonly string[],
): object {
  return {
    mesh: scope.mesh,
    // Of an entry whose endpoints changed a service keeps the object that it had.
    services: scope.services.map(({ object, ...service }) => ({
      ...service,
      object: object && objectKey(object),
    })),
    endpoints: scope.services.map((service) => scope.endpoints(service)),
    rules: scope.services.map(({ hostname }) => scope.destinationRule(hostname)?.spec),
    virtualServices: gateways.map((gateway) =>
      scope.virtualServices(gateway).map((rule) => [objectKey(rule), rule.spec]),
    ),
    sidecar: scope.sidecar && objectKey(scope.sidecar),
    egress: scope.egress.map(({ listener, services, virtualServices }) => ({
      listener,
      services: services.map(({ namespace, hostname, ports }) => ({ namespace, hostname, ports })),
      virtualServices: virtualServices.map(objectKey),
    })),
    targets: targets.map(({ service, port, endpoint, targetPort }) => ({
      service: `${service.namespace}/${service.hostname}`,
      port,
      endpoint,
      targetPort,
    })),
    servers: servers.map(({ port, bind, servers: list }) => ({
      port,
      bind,
      servers: list.map(({ server, gateway, routeName }) => ({ server, gateway, routeName })),
    })),
  };
}
