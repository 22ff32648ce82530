/**
 * Why a stream or a connection ended, as logs have it (%RESPONSE_CODE_DETAILS%). Envoy's words, but for those of a broken connection: it
 * has `codec_error:The_user_callback_function_failed` for most.
 */
export const Detail = {
  invalidField: "http2.invalid.header.field",
  messaging: "http2.violation.of.messaging.rule",
  tooManyFields: "http2.too_many_headers",
  tooLarge: "http2.header_list_size_too_large",
  underscore: "http2.unexpected_underscore",
  remoteReset: "http2.remote_reset",
  remoteRefuse: "http2.remote_refuse",
  emptyFramesFlood: "http2.inbound_empty_frames_flood",
  priorityFlood: "codec_error:Too_many_PRIORITY_frames",
  windowUpdateFlood: "codec_error:Too_many_WINDOW_UPDATE_frames",
  controlFlood: "codec_error:Too_many_control_frames_in_the_outbound_queue.",
  outboundFlood: "codec_error:Too_many_frames_in_the_outbound_queue.",
  prematureResets: "codec_error:too_many_premature_resets",
  tooManySettings: "codec_error:too_many_settings",
  protocol: "codec_error:protocol_error",
  frameSize: "codec_error:frame_size_error",
  flowControl: "codec_error:flow_control_error",
  streamClosed: "codec_error:stream_closed",
} as const;

const floods: readonly string[] = [
  Detail.emptyFramesFlood,
  Detail.priorityFlood,
  Detail.windowUpdateFlood,
  Detail.controlFlood,
  Detail.outboundFlood,
];

/** Envoy counts these apart from other errors of the protocol. */
export function isFlood(detail: string): boolean {
  return floods.includes(detail);
}

const overflows: readonly string[] = [Detail.tooManyFields, Detail.tooLarge, Detail.underscore];

/** A head that is well formed and over a limit of ours: Envoy logs it as a reset. */
export function isOverflow(detail: string): boolean {
  return overflows.includes(detail);
}
