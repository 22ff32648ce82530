import type { TlsInfo } from "#net/connection.ts";
import type { HandshakeFailure } from "#net/tls-connection.ts";
import type { Counter, StatsScope } from "../stats/stats.ts";

/** `ssl.` of a listener or a cluster. */
export class SslStats {
  readonly #scope: StatsScope;
  readonly #handshake: Counter;
  readonly #sessionReused: Counter;
  readonly #noCertificate: Counter;
  readonly #failures: Readonly<Record<HandshakeFailure, Counter | undefined>>;
  readonly ocspRequests: Counter;
  readonly ocspResponses: Counter;
  readonly ocspOmitted: Counter;
  readonly ocspFailed: Counter;
  readonly #named: Map<string, Counter> = new Map();

  constructor(parent: StatsScope) {
    const scope = parent.scope("ssl.");
    this.#scope = scope;
    this.#handshake = scope.counter("handshake");
    this.#sessionReused = scope.counter("session_reused");
    this.#noCertificate = scope.counter("no_certificate");
    this.#failures = {
      "no-certificate": scope.counter("fail_verify_no_cert"),
      certificate: scope.counter("fail_verify_error"),
      san: scope.counter("fail_verify_san"),
      hash: scope.counter("fail_verify_cert_hash"),
      protocol: scope.counter("connection_error"),
      // A connection that ends is counted as such.
      closed: undefined,
    };
    this.ocspRequests = scope.counter("ocsp_staple_requests");
    this.ocspResponses = scope.counter("ocsp_staple_responses");
    this.ocspOmitted = scope.counter("ocsp_staple_omitted");
    this.ocspFailed = scope.counter("ocsp_staple_failed");
  }

  onSecure(info: TlsInfo): void {
    this.#handshake.inc();
    if (info.sessionReused) this.#sessionReused.inc();
    if (!info.peerPresented) this.#noCertificate.inc();
    this.#count("ciphers", info.cipher);
    this.#count("versions", info.version);
    if (info.group !== "") this.#count("curves", info.group);
  }

  onFailure(failure: HandshakeFailure): void {
    this.#failures[failure]?.inc();
  }

  /** The peer broke the protocol after the handshake. */
  onBroken(): void {
    this.#failures.protocol?.inc();
  }

  #count(kind: string, name: string): void {
    const key = `${kind}.${name}`;
    let counter = this.#named.get(key);
    if (counter === undefined) {
      counter = this.#scope.counter(key);
      this.#named.set(key, counter);
    }
    counter.inc();
  }
}
