import {
  type Http2Options,
  type Http2Services,
  type Http2Stats,
  http2CounterNames,
  http2Defaults,
  http2GaugeNames,
} from "#http/h2/http2-options.ts";
import type { Clock } from "#lib/clock.ts";

const nobody = { inc: () => {}, dec: () => {}, add: () => {} };

// Proof: an entry for each key of both tables, of which Http2Stats is made.
const uncounted = Object.fromEntries(
  [...Object.keys(http2CounterNames), ...Object.keys(http2GaugeNames)].map((key) => [key, nobody]),
) as unknown as Http2Stats;

/** gRPC of the control plane counts calls, not frames. */
export function uncountedServices(clock: Clock): Http2Services {
  return { stats: uncounted, now: () => clock.monotonicMs() };
}

const mebibyte = 1024 * 1024;

/** Windows that hold a few messages: a control plane has thousands of streams, few of them busy. */
export const grpcHttp2Options: Http2Options = {
  ...http2Defaults,
  initialStreamWindowSize: mebibyte,
  initialConnectionWindowSize: 4 * mebibyte,
  // A malformed call must not end the others.
  streamErrorOnInvalidMessage: true,
};
