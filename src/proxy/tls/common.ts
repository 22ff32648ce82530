import type { CertificateValidationContextJson } from "#gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js";
import type { SdsSecretConfigJson } from "#gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import type {
  CommonTlsContextJson,
  TlsKeyLogJson,
} from "#gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import type { TlsSettings } from "#net/tls-connection.ts";
import { cidrContains, compileCidr } from "../matching/cidr.ts";
import type { Services } from "../services.ts";
import type { StatsScope } from "../stats/stats.ts";
import { compileCertificate, type OwnCertificate } from "./certificates.ts";
import { compileParameters, type Parameters } from "./parameters.ts";
import { compileValidation, noValidation, type Validation } from "./validation.ts";

/** What a transport socket is compiled with. */
/** What contexts need of a worker, or of the main thread where it makes connections itself. */
export type TlsServices = Pick<
  Services,
  "clock" | "secrets" | "tlsContexts" | "logSinks" | "log" | "ticketSecret" | "workerIndex"
>;

export interface TlsFactoryContext {
  readonly services: TlsServices;
  /** `listener.<address>.` or `cluster.<name>.` */
  readonly scope: StatsScope;
}

/** The part of a context that both sides have. */
export interface CommonContext {
  readonly parameters: Parameters;
  readonly alpn: Uint8Array | undefined;
  readonly keyLog: TlsSettings["keyLog"];
  /** Read anew at each call: files and secrets change. Undefined: a secret has not come yet. Throw ConfigError. */
  certificates(): readonly OwnCertificate[] | undefined;
  validation(): Validation | undefined;
  /** When one of its secrets comes or changes. */
  subscribe(onChange: () => void): void;
}

export function compileCommon(
  config: CommonTlsContextJson,
  side: "server" | "client",
  { services }: TlsFactoryContext,
): CommonContext {
  const certificates = compileCertificateSource(config, services);
  const validation = compileValidationSource(config, services);
  return {
    parameters: within("tls_params", () => compileParameters(config.tlsParams, side)),
    alpn: within("alpn_protocols", () => alpnWire(config.alpnProtocols)),
    keyLog: within("key_log", () => compileKeyLog(config.keyLog, services)),
    certificates: certificates.read,
    validation: validation.read,
    subscribe: (onChange) => {
      for (const slot of [...certificates.slots, ...validation.slots]) slot.subscribe(onChange);
    },
  };
}

interface Source<T> {
  readonly slots: readonly { subscribe(onChange: () => void): void }[];
  readonly read: () => T | undefined;
}

function compileCertificateSource(
  config: CommonTlsContextJson,
  services: TlsServices,
): Source<readonly OwnCertificate[]> {
  if (config.tlsCertificates !== undefined && config.tlsCertificates.length > 0) {
    return {
      slots: [],
      read: () =>
        compileEach("tls_certificates", config.tlsCertificates, (item) =>
          compileCertificate(item, ""),
        ),
    };
  }
  const path = "tls_certificate_sds_secret_configs";
  const slots = compileEach(path, config.tlsCertificateSdsSecretConfigs, (item) =>
    services.secrets.slot(item),
  );
  return {
    slots,
    read: () => {
      if (slots.some(({ value }) => value === undefined)) return undefined;
      return compileEach(path, slots, ({ name, value }) => {
        if (value?.tlsCertificate === undefined)
          throw refuse("", `secret '${name}' is not a tls_certificate`);
        return compileCertificate(value.tlsCertificate, name);
      });
    },
  };
}

function compileValidationSource(
  config: CommonTlsContextJson,
  services: TlsServices,
): Source<Validation> {
  const { validationContext, combinedValidationContext: combined } = config;
  if (validationContext !== undefined) {
    return {
      slots: [],
      read: () => within("validation_context", () => compileValidation(validationContext)),
    };
  }
  if (config.validationContextSdsSecretConfig !== undefined) {
    return secretValidation(config.validationContextSdsSecretConfig, undefined, {
      services,
      path: "validation_context_sds_secret_config",
    });
  }
  if (combined === undefined) return { slots: [], read: () => noValidation };
  const { defaultValidationContext, validationContextSdsSecretConfig: sds } = combined;
  const path = "combined_validation_context";
  if (sds === undefined) throw refuse(path, "validation_context_sds_secret_config is required");
  return secretValidation(sds, defaultValidationContext, { services, path });
}

function secretValidation(
  config: SdsSecretConfigJson,
  defaults: CertificateValidationContextJson | undefined,
  { services, path }: { readonly services: TlsServices; readonly path: string },
): Source<Validation> {
  const slot = within(path, () => services.secrets.slot(config));
  return {
    slots: [slot],
    read: () =>
      within(path, () => {
        if (slot.value === undefined) return undefined;
        const { validationContext } = slot.value;
        if (validationContext === undefined)
          throw refuse("", `secret '${slot.name}' is not a validation_context`);
        return compileValidation(mergeValidation(defaults ?? {}, validationContext));
      }),
  };
}

/** Protobuf's MergeFrom: single fields of the second win, repeated ones are put together, booleans are or-ed. */
function mergeValidation(
  first: CertificateValidationContextJson,
  second: CertificateValidationContextJson,
): CertificateValidationContextJson {
  const merged: Record<string, unknown> = { ...first };
  for (const [name, value] of Object.entries(second)) {
    const before = merged[name];
    if (Array.isArray(before) && Array.isArray(value)) merged[name] = [...before, ...value];
    else if (typeof before === "boolean") merged[name] = before || value === true;
    else merged[name] = value;
  }
  // Proof: each field has a value of its own type from one of the two.
  return merged as CertificateValidationContextJson;
}

/** RFC 7301 §3.1. */
export function alpnWire(protocols: readonly string[] | undefined): Uint8Array | undefined {
  if (protocols === undefined || protocols.length === 0) return undefined;
  const names = protocols.flatMap((item) => item.split(",")).map((name) => Buffer.from(name));
  if (names.some(({ length }) => length === 0 || length > 255))
    throw refuse("", "an ALPN protocol has 1 to 255 bytes");
  return Buffer.concat(names.flatMap((name) => [Buffer.from([name.length]), name]));
}

function compileKeyLog(
  config: TlsKeyLogJson | undefined,
  services: TlsServices,
): TlsSettings["keyLog"] {
  if (config === undefined) return undefined;
  const { path } = config;
  if (path === undefined || path === "") throw refuse("path", "is required");
  const sink = services.logSinks.file(path);
  const local = compileEach("local_address_range", config.localAddressRange, compileCidr);
  const remote = compileEach("remote_address_range", config.remoteAddressRange, compileCidr);
  return (line, connection) => {
    const wanted =
      (local.length === 0 || local.some((range) => cidrContains(range, connection.local.ip))) &&
      (remote.length === 0 || remote.some((range) => cidrContains(range, connection.remote.ip)));
    if (wanted) sink.write(line.toString("latin1"));
  };
}
