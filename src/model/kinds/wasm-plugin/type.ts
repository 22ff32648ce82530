import type { WasmPluginJson } from "#gen/istio/extensions/v1alpha1/wasm_pb.js";
import type { Kind } from "../kind.ts";
import { validate } from "./validate.ts";

export const wasmPlugin: Kind<WasmPluginJson> = {
  kind: "WasmPlugin",
  group: "extensions.istio.io",
  versions: ["v1alpha1"],
  plural: "wasmplugins",
  shortNames: [],
  namespaced: true,
  body: { message: "istio.extensions.v1alpha1.WasmPlugin" },
  validate,
};
