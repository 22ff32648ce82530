import type { BootstrapJson } from "#gen/envoy/config/bootstrap/v3/bootstrap_pb.js";
import type { SdsSecretConfigJson } from "#gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import type { CommonTlsContextJson } from "#gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js";

/** Everything in a configuration that has the field `field`, wherever filter chains and clusters put it. */
function* having(value: unknown, field: string): Generator<object> {
  if (typeof value !== "object" || value === null) return;
  if (field in value) yield value;
  for (const item of Object.values(value)) yield* having(item, field);
}

/** Every secret that comes from somewhere else. */
export function secretConfigs(bootstrap: BootstrapJson): readonly SdsSecretConfigJson[] {
  // Proof: only SdsSecretConfig has a field of that name.
  return [...having(bootstrap.staticResources, "sdsConfig")] as readonly SdsSecretConfigJson[];
}

/** Directories that TLS contexts watch for files they name themselves. */
export function watchedDirectories(bootstrap: BootstrapJson): readonly string[] {
  const found = new Set<string>();
  // Proof: only transport sockets have a field of that name, and it is this message.
  const contexts = [...having(bootstrap.staticResources, "commonTlsContext")] as readonly {
    readonly commonTlsContext: CommonTlsContextJson;
  }[];
  for (const { commonTlsContext } of contexts) {
    const { tlsCertificates = [], validationContext } = commonTlsContext;
    for (const { watchedDirectory } of [...tlsCertificates, validationContext ?? {}])
      if (watchedDirectory?.path !== undefined) found.add(watchedDirectory.path);
  }
  return [...found];
}
