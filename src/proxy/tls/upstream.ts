import type { UpstreamTlsContextJson } from "#gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js";
import { refuse, within } from "#lib/config-error.ts";
import { CertificateCache } from "#net/certificate.ts";
import type { SavedSession, SessionStore, TlsIdentity, TlsSettings } from "#net/tls-connection.ts";
import { makeContext } from "#net/tls-context.ts";
import type { Counter } from "../stats/stats.ts";
import type { RequestedName } from "./auto-sni.ts";
import { reasonOf } from "./certificates.ts";
import { alpnWire, type CommonContext, compileCommon, type TlsFactoryContext } from "./common.ts";
import { watches } from "./downstream.ts";
import { handshakeFailure } from "./failure-text.ts";
import { SslStats } from "./ssl-stats.ts";
import { type ContextStatus, contextStatus, publishExpiry } from "./status.ts";
import type { Validation } from "./validation.ts";

const maxServerNames = 1024;

/** What HTTP offers by ALPN where the context names no protocols. */
export type HttpOffer = "http/1.1" | "h2" | "h2,http/1.1";

/** A cluster's side of TLS. */
export class UpstreamTls {
  readonly stats: SslStats;
  readonly #config: UpstreamTlsContextJson;
  readonly #context: TlsFactoryContext;
  readonly #common: CommonContext;
  readonly #notReady: Counter;
  readonly #updated: Counter;
  readonly #certificates: CertificateCache = new CertificateCache();
  #built: { readonly identity: TlsIdentity; readonly validation: Validation } | undefined;
  /** By offer, server name and name to check; bounded, and empty again after a rotation. */
  #settings: Map<string, TlsSettings> = new Map();
  status: ContextStatus | undefined = undefined;

  /** Throws ConfigError. */
  constructor(config: UpstreamTlsContextJson, context: TlsFactoryContext) {
    this.#config = config;
    this.#context = context;
    this.stats = new SslStats(context.scope);
    const factory = context.scope.scope("client_ssl_socket_factory.");
    this.#notReady = factory.counter("upstream_context_secrets_not_ready");
    this.#updated = factory.counter("ssl_context_update_by_sds");
    factory.counter("downstream_context_secrets_not_ready");
    const common = config.commonTlsContext ?? {};
    const { trustedCa, systemRootCerts } = common.validationContext ?? {};
    if (config.autoSniSanValidation === true && (trustedCa ?? systemRootCerts) === undefined) {
      const dynamic = common.combinedValidationContext ?? common.validationContextSdsSecretConfig;
      if (dynamic === undefined)
        throw refuse(
          "auto_sni_san_validation",
          "'auto_sni_san_validation' was configured without configuring a trusted CA",
        );
    }
    this.#common = within("common_tls_context", () => compileCommon(common, "client", context));
    this.#built = this.#build();
    this.#common.subscribe(() => this.#rebuild());
    context.services.tlsContexts.add(this);
  }

  /** For a host of this name; undefined, and counted, while a secret has not come. */
  settingsFor(
    hostname: string,
    offer?: HttpOffer,
    requested?: RequestedName,
  ): TlsSettings | undefined {
    const { sni, autoHostSni } = this.#config;
    const own = autoHostSni === true && hostname !== "" ? hostname : (sni ?? "");
    const serverName = requested?.serverName ?? own;
    const key = `${offer ?? ""} ${serverName} ${requested?.mustBeFor ?? ""}`;
    const known = this.#settings.get(key);
    if (known !== undefined) return known;
    if (this.#built === undefined) {
      this.#notReady.inc();
      return undefined;
    }
    if (this.#settings.size >= maxServerNames) this.#settings.clear();
    const alpn = this.#common.alpn ?? alpnWire(offer === undefined ? undefined : [offer]);
    const checksSni = this.#config.autoSniSanValidation === true && serverName !== "";
    const mustBeFor = requested?.mustBeFor ?? (checksSni ? serverName : undefined);
    const made = { ...this.#settingsOf({ serverName, mustBeFor }, this.#built), alpn };
    this.#settings.set(key, made);
    return made;
  }

  reload(directory: string): void {
    if (watches(this.#config.commonTlsContext, directory)) this.#rebuild();
  }

  #rebuild(): void {
    try {
      const built = this.#build();
      if (built === undefined) return;
      this.#built = built;
      this.#settings = new Map();
      this.#updated.inc();
    } catch (error) {
      this.#context.services.log(
        "warn",
        `tls: new secrets are refused, the last good ones stay: ${reasonOf(error)}`,
      );
    }
  }

  #build(): { readonly identity: TlsIdentity; readonly validation: Validation } | undefined {
    return within("common_tls_context", () => {
      const certificates = this.#common.certificates();
      const validation = this.#common.validation();
      if (certificates === undefined || validation === undefined) return undefined;
      if (certificates.length > 1)
        throw refuse(
          "tls_certificates",
          "Multiple TLS certificates are not supported for client contexts",
        );
      const context = this.#makeContext(certificates, validation);
      this.status = contextStatus(certificates, validation);
      publishExpiry(this.#context, certificates, validation);
      return {
        identity: { context, certificate: certificates[0]?.certificate, staple: undefined },
        validation,
      };
    });
  }

  #makeContext(
    certificates: NonNullable<ReturnType<CommonContext["certificates"]>>,
    validation: Validation,
  ): TlsIdentity["context"] {
    try {
      return makeContext({
        isServer: false,
        ...this.#common.parameters,
        certificates: certificates.map(({ pair }) => pair),
        trustedAuthorities: validation.trustedAuthorities,
        revocationList: validation.revocationList,
        verify: validation.tuning,
        tickets: true,
        ticketKeys: [],
        sessionTimeoutSeconds: undefined,
        sessionIdContext: "",
        renegotiation: this.#config.allowRenegotiation ?? false,
        preferClientCiphers: true,
      });
    } catch (error) {
      throw refuse("", reasonOf(error));
    }
  }

  #settingsOf(
    {
      serverName,
      mustBeFor,
    }: { readonly serverName: string; readonly mustBeFor: string | undefined },
    { identity, validation }: { readonly identity: TlsIdentity; readonly validation: Validation },
  ): Omit<TlsSettings, "alpn"> {
    const { stats } = this;
    const max = this.#config.maxSessionKeys ?? 1;
    return {
      isServer: false,
      identity,
      clientCertificate: "none",
      serverName,
      sessions: max === 0 ? undefined : new Sessions(max),
      certificates: this.#certificates,
      anchors: validation.anchors,
      keyLog: this.#common.keyLog,
      choose: undefined,
      verify: (info, chainError) =>
        validation.verify({ info, chainError, mustBeFor }, ({ failure }) =>
          stats.onFailure(failure),
        ),
      onSecure: (info) => stats.onSecure(info),
      onFailure: (failure) => stats.onFailure(failure),
      onBroken: () => stats.onBroken(),
      describe: handshakeFailure,
    };
  }
}

/** The newest first. RFC 8446 §C.4: a ticket of TLS 1.3 is used once; a session of TLS 1.2 again and again. */
class Sessions implements SessionStore {
  readonly #max: number;
  readonly #saved: SavedSession[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  take(): SavedSession | undefined {
    const newest = this.#saved[0];
    if (newest?.singleUse === true) this.#saved.shift();
    return newest;
  }

  put(saved: SavedSession): void {
    this.#saved.unshift(saved);
    if (this.#saved.length > this.#max) this.#saved.pop();
  }
}
