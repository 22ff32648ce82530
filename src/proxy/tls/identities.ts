import type { ChooseStaple, TlsIdentity } from "#net/tls-connection.ts";
import type { KeyPair } from "#net/tls-context.ts";
import type { OwnCertificate } from "./certificates.ts";

/** Which certificate a server shows for which name. */
export interface Identities {
  readonly initial: TlsIdentity;
  /** Undefined: there is but one. */
  readonly choose: ((serverName: string) => TlsIdentity) | undefined;
}

type Make = (certificates: readonly KeyPair[]) => TlsIdentity["context"];

/** One certificate for each kind of key: OpenSSL chooses between them by what the client can verify. */
interface Pair {
  readonly ecdsa: OwnCertificate | undefined;
  readonly rsa: OwnCertificate | undefined;
}

/**
 * As in Envoy: the certificate whose name is the SNI, else one with a wildcard for it, else the first one; all of them when there is no
 * SNI, and with `fullScan` also when none fits. Of two certificates for one name and one kind of key the first counts.
 */
export function compileIdentities(
  certificates: readonly OwnCertificate[],
  options: {
    readonly make: Make;
    readonly fullScan: boolean;
    readonly staple: (own: OwnCertificate) => ChooseStaple | undefined;
  },
): Identities {
  const made = new Map<string, TlsIdentity>();
  const identity = (pair: Pair): TlsIdentity => {
    const members = [pair.ecdsa, pair.rsa].filter((one) => one !== undefined);
    const key = members.map((one) => certificates.indexOf(one)).join();
    let known = made.get(key);
    if (known === undefined) {
      known = {
        context: options.make(members.map((one) => one.pair)),
        certificate: members[0]?.certificate,
        // Which of two OpenSSL will show is not known yet, and the wrong one's staple would be refused by the client.
        staple: members.length === 1 ? options.staple(members[0] as OwnCertificate) : undefined,
      };
      made.set(key, known);
    }
    return known;
  };
  const all = identity(pairOf(certificates));
  if (certificates.length < 2) return { initial: all, choose: undefined };
  const names = new Map<string, TlsIdentity>();
  for (const [name, members] of namesOf(certificates)) names.set(name, identity(pairOf(members)));
  const unknown = options.fullScan ? all : identity(pairOf(certificates.slice(0, 1)));
  return {
    initial: all,
    choose: (serverName) => {
      if (serverName === "") return all;
      const name = serverName.toLowerCase();
      const dot = name.indexOf(".");
      return names.get(name) ?? (dot > 0 ? names.get(`*${name.slice(dot)}`) : undefined) ?? unknown;
    },
  };
}

function pairOf(certificates: readonly OwnCertificate[]): Pair {
  return {
    ecdsa: certificates.find(({ kind }) => kind === "ecdsa"),
    rsa: certificates.find(({ kind }) => kind === "rsa"),
  };
}

/** DNS names, or the common name of a certificate that has none. */
function namesOf(
  certificates: readonly OwnCertificate[],
): ReadonlyMap<string, readonly OwnCertificate[]> {
  const byName = new Map<string, OwnCertificate[]>();
  for (const own of certificates) {
    const { altNames, x509 } = own.certificate;
    const commonName = /^CN=(.*)$/m.exec(x509.subject ?? "")?.[1];
    const names =
      altNames.dns.length > 0 ? altNames.dns : commonName === undefined ? [] : [commonName];
    for (const name of names) {
      const key = name.toLowerCase();
      const known = byName.get(key);
      if (known === undefined) byName.set(key, [own]);
      else known.push(own);
    }
  }
  return byName;
}
