import { isGrpcContentType } from "#grpc/status.ts";
import { formatWholeGrpcTimeout, parseGrpcTimeout } from "#grpc/timeout.ts";
import type { RequestHead } from "#http/message.ts";
import type { TimerList } from "#lib/timers.ts";
import type { StreamDuration } from "../../../route/route.ts";
import type { ManagerSettings } from "./settings.ts";

/**
 * How long a stream may take whose route has a `max_stream_duration`: what the client's grpc-timeout asks for, where the route lets it
 * ask, else the route's, else the connection manager's. Undefined: no limit. A gRPC upstream is told.
 */
export function streamDurationLimit(
  duration: StreamDuration,
  head: RequestHead,
  settings: ManagerSettings,
): TimerList | undefined {
  const askedMs = asked(duration, head);
  const limitMs = askedMs ?? duration.maxMs ?? settings.maxStreamDuration?.durationMs ?? 0;
  // Configured, 0 is no limit; asked for, it is none left.
  if (limitMs === 0 && askedMs === undefined) return undefined;
  if (isGrpcContentType(head.headers.get("content-type")))
    head.headers.set("grpc-timeout", formatWholeGrpcTimeout(limitMs));
  return settings.services.timers.of(Math.max(1, limitMs));
}

/** Whole milliseconds, under the route's cap and less its offset. */
function asked(duration: StreamDuration, head: RequestHead): number | undefined {
  const { headerMaxMs, headerOffsetMs } = duration;
  if (headerMaxMs === undefined) return undefined;
  const wanted = parseGrpcTimeout(head.headers.get("grpc-timeout"));
  if (wanted === undefined) return undefined;
  // Less what the product of a whole number and 0.001 is too large by.
  const whole = Math.ceil(wanted - 1e-9);
  const capped = headerMaxMs > 0 ? Math.min(whole, headerMaxMs) : whole;
  return Math.max(0, capped - headerOffsetMs);
}
