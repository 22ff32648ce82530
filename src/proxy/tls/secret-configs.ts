import type { BootstrapJson } from "#gen/envoy/config/bootstrap/v3/bootstrap_pb.js";
import type { ConfigSourceJson } from "#gen/envoy/config/core/v3/config_source_pb.js";
import type { SdsSecretConfigJson } from "#gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import type { CommonTlsContextJson } from "#gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js";

/** Everything in a configuration that has the field `field`, wherever filter chains and clusters put it. */
export function* having(value: unknown, field: string): Generator<object> {
  if (typeof value !== "object" || value === null) return;
  if (field in value) yield value;
  for (const item of Object.values(value)) yield* having(item, field);
}

/** Every secret that comes from a file. */
export function secretConfigs(bootstrap: BootstrapJson): readonly SdsSecretConfigJson[] {
  return secretConfigsIn(bootstrap.staticResources).filter(({ sdsConfig }) => isFile(sdsConfig));
}

/** Those of a listener or a cluster, wherever they come from. */
export function secretConfigsIn(config: object | undefined): readonly SdsSecretConfigJson[] {
  // Proof: only SdsSecretConfig has a field of that name.
  return [...having(config, "sdsConfig")] as readonly SdsSecretConfigJson[];
}

export function isFile(source: ConfigSourceJson | undefined): boolean {
  return source?.path !== undefined || source?.pathConfigSource !== undefined;
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
