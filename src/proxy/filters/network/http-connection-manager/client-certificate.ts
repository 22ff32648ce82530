import type { HttpConnectionManagerJson } from "#gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import type { HeaderList } from "#http/headers.ts";
import type { TlsInfo } from "#net/connection.ts";

const header = "x-forwarded-client-cert";

type Detail = (tls: TlsInfo, elements: string[]) => void;

/**
 * What becomes of x-forwarded-client-cert: the five modes of `forward_client_cert_details`. The element that is set says who asked
 * (`By`, our own URI names), the client's certificate by its hash, and what `set_current_client_cert_details` wants of it.
 */
export function compileClientCertificate(
  config: Pick<
    HttpConnectionManagerJson,
    "forwardClientCertDetails" | "setCurrentClientCertDetails"
  >,
): (headers: HeaderList, tls: TlsInfo | undefined) => void {
  const mode = config.forwardClientCertDetails ?? "SANITIZE";
  if (mode === "ALWAYS_FORWARD_ONLY") return () => {};
  const details = compileDetails(config.setCurrentClientCertDetails);
  return (headers, tls) => {
    if (mode === "SANITIZE" || tls?.peerPresented !== true) {
      headers.remove(header);
      return;
    }
    if (mode === "FORWARD_ONLY") return;
    const element = elementOf(tls, details);
    const received = headers.get(header);
    if (mode === "APPEND_FORWARD" && received !== undefined && received !== "")
      headers.set(header, `${headers.getAll(header).join(",")},${element}`);
    else headers.set(header, element);
  };
}

function elementOf(tls: TlsInfo, details: readonly Detail[]): string {
  const elements = tls.localUriSans.map((uri) => `By=${uri}`);
  if (tls.peer !== undefined) elements.push(`Hash=${tls.peer.fingerprint256}`);
  for (const add of details) add(tls, elements);
  return elements.join(";");
}

/** In Envoy's order. Subject and URI are there even when they are empty. */
function compileDetails(
  wanted: HttpConnectionManagerJson["setCurrentClientCertDetails"],
): readonly Detail[] {
  const details: Detail[] = [];
  if (wanted?.cert === true)
    details.push((tls, elements) => {
      if (tls.peer !== undefined) elements.push(`Cert="${tls.peer.urlEncodedPem}"`);
    });
  if (wanted?.chain === true)
    details.push((tls, elements) => {
      const chain = tls.peerChain.map(({ urlEncodedPem }) => urlEncodedPem).join("");
      if (chain !== "") elements.push(`Chain="${chain}"`);
    });
  if (wanted?.subject === true)
    details.push((tls, elements) => elements.push(`Subject="${tls.peerSubject}"`));
  if (wanted?.uri === true)
    details.push((tls, elements) => {
      if (tls.peerUriSans.length === 0) elements.push("URI=");
      for (const uri of tls.peerUriSans) elements.push(`URI=${uri}`);
    });
  if (wanted?.dns === true)
    details.push((tls, elements) => {
      for (const name of tls.peerDnsSans) elements.push(`DNS=${name}`);
    });
  return details;
}
