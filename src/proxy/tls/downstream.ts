import { createHash, hkdfSync } from "node:crypto";
import type { DownstreamTlsContextJson } from "#gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js";
import { refuse, within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import { CertificateCache } from "#net/certificate.ts";
import type { ChooseStaple, TlsSettings } from "#net/tls-connection.ts";
import { makeContext, type TicketKeys } from "#net/tls-context.ts";
import type { Counter } from "../stats/stats.ts";
import { type OwnCertificate, reasonOf } from "./certificates.ts";
import { type CommonContext, compileCommon, type TlsFactoryContext } from "./common.ts";
import { handshakeFailure } from "./failure-text.ts";
import { compileIdentities } from "./identities.ts";
import { mustStaple, stapleAction } from "./ocsp.ts";
import type { SecretSlot } from "./secrets.ts";
import { SslStats } from "./ssl-stats.ts";
import type { ContextStatus } from "./status.ts";
import { contextStatus, publishExpiry } from "./status.ts";
import { compileTicketKeys } from "./ticket-keys.ts";
import type { Validation } from "./validation.ts";

/** A listener's side of TLS. `settings` are for new connections; those that run keep theirs. */
export class DownstreamTls {
  readonly stats: SslStats;
  readonly #config: DownstreamTlsContextJson;
  readonly #context: TlsFactoryContext;
  readonly #common: CommonContext;
  readonly #ticketSlot: SecretSlot | undefined;
  readonly #notReady: Counter;
  readonly #updated: Counter;
  readonly #certificates: CertificateCache = new CertificateCache();
  #settings: TlsSettings | undefined;
  status: ContextStatus | undefined = undefined;

  /** Throws ConfigError. */
  constructor(config: DownstreamTlsContextJson, context: TlsFactoryContext) {
    this.#config = config;
    this.#context = context;
    this.stats = new SslStats(context.scope);
    const factory = context.scope.scope("server_ssl_socket_factory.");
    this.#notReady = factory.counter("downstream_context_secrets_not_ready");
    this.#updated = factory.counter("ssl_context_update_by_sds");
    factory.counter("upstream_context_secrets_not_ready");
    const common = config.commonTlsContext ?? {};
    this.#common = within("common_tls_context", () => compileCommon(common, "server", context));
    const sds = config.sessionTicketKeysSdsSecretConfig;
    this.#ticketSlot =
      sds === undefined
        ? undefined
        : within("session_ticket_keys_sds_secret_config", () => context.services.secrets.slot(sds));
    this.#settings = this.#build();
    this.#common.subscribe(() => this.#rebuild());
    this.#ticketSlot?.subscribe(() => this.#rebuild());
    context.services.tlsContexts.add(this);
  }

  /** Undefined, and counted, while a secret has not come. */
  get settings(): TlsSettings | undefined {
    if (this.#settings === undefined) this.#notReady.inc();
    return this.#settings;
  }

  /** Files have changed. */
  reload(directory: string): void {
    if (watches(this.#config.commonTlsContext, directory)) this.#rebuild();
  }

  #rebuild(): void {
    try {
      this.#settings = this.#build() ?? this.#settings;
      this.#updated.inc();
    } catch (error) {
      this.#context.services.log(
        "warn",
        `tls: new secrets are refused, the last good ones stay: ${reasonOf(error)}`,
      );
    }
  }

  #build(): TlsSettings | undefined {
    const config = this.#config;
    const certificates = within("common_tls_context", () => this.#common.certificates());
    const validation = within("common_tls_context", () => this.#common.validation());
    if (certificates === undefined || validation === undefined) return undefined;
    if (certificates.length === 0)
      throw refuse("common_tls_context", "No TLS certificates found for server context");
    const ticketKeys = this.#ticketKeys(validation);
    if (ticketKeys === undefined) return undefined;
    const identities = compileIdentities(certificates, {
      make: (pairs) =>
        contextOf(() =>
          makeContext({
            isServer: true,
            ...this.#common.parameters,
            certificates: pairs,
            trustedAuthorities: validation.trustedAuthorities,
            revocationList: validation.revocationList,
            verify: validation.tuning,
            tickets: config.disableStatelessSessionResumption !== true,
            ticketKeys,
            sessionTimeoutSeconds: sessionTimeout(config),
            sessionIdContext: this.#sessionIdContext(validation).toString("base64").slice(0, 32),
            renegotiation: false,
            preferClientCiphers: config.preferClientCiphers ?? false,
          }),
        ),
      fullScan: config.fullScanCertsOnSniMismatch ?? false,
      staple: (own) => this.#chooseStaple(own),
    });
    this.#publish(certificates, validation);
    return this.#settingsOf(identities, validation);
  }

  #chooseStaple({ certificate, staple }: OwnCertificate): ChooseStaple | undefined {
    const policy = this.#config.ocspStaplePolicy ?? "LENIENT_STAPLING";
    const must = mustStaple(certificate);
    if (staple === undefined) {
      if (policy === "MUST_STAPLE")
        throw refuse("common_tls_context", "Required OCSP response is missing from TLS context");
      if (must)
        throw refuse("common_tls_context", "OCSP response is required for must-staple certificate");
      return undefined;
    }
    const { clock } = this.#context.services;
    return (asked) => {
      if (asked) this.stats.ocspRequests.inc();
      const context = { policy, mustStaple: must, asked, nowMs: clock.wallMs() };
      switch (stapleAction(staple, context)) {
        case "staple":
          this.stats.ocspResponses.inc();
          return staple.bytes;
        case "omit":
          if (asked) this.stats.ocspOmitted.inc();
          return undefined;
        case "fail":
          this.stats.ocspFailed.inc();
          return "fail";
      }
    };
  }

  #settingsOf(
    identities: ReturnType<typeof compileIdentities>,
    validation: Validation,
  ): TlsSettings {
    const { stats } = this;
    return {
      isServer: true,
      identity: identities.initial,
      clientCertificate: !validation.active
        ? "none"
        : this.#config.requireClientCertificate === true
          ? "required"
          : "optional",
      alpn: this.#common.alpn,
      serverName: "",
      sessions: undefined,
      certificates: this.#certificates,
      anchors: validation.anchors,
      keyLog: this.#common.keyLog,
      choose: identities.choose,
      verify: (info, chainError) =>
        validation.verify({ info, chainError, mustBeFor: undefined }, ({ failure }) =>
          stats.onFailure(failure),
        ),
      onSecure: (info) => stats.onSecure(info),
      onFailure: (failure) => stats.onFailure(failure),
      onBroken: () => stats.onBroken(),
      describe: handshakeFailure,
    };
  }

  #publish(certificates: readonly OwnCertificate[], validation: Validation): void {
    this.status = contextStatus(certificates, validation);
    publishExpiry(this.#context, certificates, validation);
  }

  /** A session is for one configuration and one set of trusted authorities. */
  #sessionIdContext(validation: Validation): Buffer {
    return createHash("sha256")
      .update(JSON.stringify(this.#config))
      .update(validation.trustedAuthorities ?? "")
      .update(validation.revocationList ?? "")
      .digest();
  }

  /** Undefined: they have not come. */
  #ticketKeys(validation: Validation): TicketKeys | undefined {
    const given = this.#config.sessionTicketKeys;
    if (given !== undefined) return within("session_ticket_keys", () => compileTicketKeys(given));
    if (this.#ticketSlot === undefined) {
      // All workers of a process open each other's tickets.
      const secret = this.#context.services.ticketSecret;
      return [
        new Uint8Array(hkdfSync("sha256", secret, this.#sessionIdContext(validation), "", 48)),
      ];
    }
    const keys = this.#ticketSlot.value?.sessionTicketKeys;
    return keys === undefined ? undefined : compileTicketKeys(keys);
  }
}

function sessionTimeout(config: DownstreamTlsContextJson): number | undefined {
  if (config.sessionTimeout === undefined) return undefined;
  return within("session_timeout", () => Math.floor(durationMs(config.sessionTimeout, 0) / 1000));
}

/** OpenSSL refuses what passed our own checks. */
function contextOf<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw refuse("common_tls_context", reasonOf(error));
  }
}

export function watches(
  config: DownstreamTlsContextJson["commonTlsContext"],
  directory: string,
): boolean {
  const watched = [
    ...(config?.tlsCertificates ?? []).map((item) => item.watchedDirectory?.path),
    config?.validationContext?.watchedDirectory?.path,
  ];
  return watched.includes(directory);
}
