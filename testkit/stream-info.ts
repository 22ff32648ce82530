import { ipAddress } from "#net/address.ts";
import { type DownstreamInfo, StreamInfo } from "#proxy/stream-info.ts";

/** What is known of a request that nobody sent, from 10.0.0.1:1234 to 10.1.0.1:80 unless `facts` says otherwise. */
export function streamInfo(facts: Partial<DownstreamInfo> = {}): StreamInfo {
  const { local = ipAddress("10.1.0.1", 80), remote = ipAddress("10.0.0.1", 1234) } = facts;
  const downstream = {
    connectionId: 1,
    local,
    directLocal: local,
    remote,
    directRemote: remote,
    tls: undefined,
    requestedServerName: undefined,
    listenerName: "",
    filterChainName: "",
    listenerMetadata: undefined,
    ...facts,
  };
  return new StreamInfo(downstream, 0, 0);
}
