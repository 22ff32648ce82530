/** Envoy's runtime: layered key → value, read by runtime_fraction and feature flags. Replaced whole when a layer changes. */
export interface Runtime {
  number(key: string, absent: number): number;
  boolean(key: string, absent: boolean): boolean;
  /** `numerator` of `denominator` requests; the key overrides the numerator (as a percentage if an integer, or a FractionalPercent). `draw` in [0,1). */
  featureEnabled(
    key: string | undefined,
    numerator: number,
    denominator: number,
    draw: number,
  ): boolean;
}
