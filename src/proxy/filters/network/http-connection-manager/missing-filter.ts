import { ResponseFlag } from "../../../response-flags.ts";
import type { HttpFilter } from "../../http/filter.ts";

/** Stands where a filter's configuration has not come: without it nobody knows what may pass. */
export const missingFilter: HttpFilter = {
  onRequestHead(stream) {
    stream.reply({ status: 500, details: "", flags: ResponseFlag.noFilterConfigFound });
    return "park";
  },
};
